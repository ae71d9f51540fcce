from __future__ import annotations

import json
from pathlib import Path

import pytest

from partitions.errors import DeviceMissing
from tests.fakes.tiny_stand import tiny_bytes
from updog.crashtest.command import run
from updog.errors import UsageError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(tiny_bytes())
    return path


def test_a_proof_is_printed_on_stdout_and_progress_on_stderr(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--image", str(image), "--scenario", "activate", "--sector", "512"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[1].startswith("activate")
    assert said.err.startswith("Exploring activate, sectors of 512 bytes\n")


def test_json_is_one_document(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--image", str(image), "--scenario", "revert", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["sector"] for row in said["operations"]} == {512, 4096}


def test_the_image_is_not_written(image: Path) -> None:
    before, touched = image.read_bytes(), image.stat().st_mtime_ns
    run(["--image", str(image), "--scenario", "activate", "--active", "A", "--tries", "2"])
    assert (image.read_bytes(), image.stat().st_mtime_ns) == (before, touched)


@pytest.mark.parametrize(
    "words", [[], ["--image", "x", "--scenario", "none"], ["--image", "x", "--sector", "1024"]]
)
def test_a_wrong_command_line_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError):
        run(words)


def test_a_missing_image_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing):
        run(["--image", str(tmp_path / "none.img")])
