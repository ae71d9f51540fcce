"""The wrapper as a suite runs it: a process, real HTTP, exit codes and files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.client import TIME
from tests.fakes.clock import NOW
from tests.fakes.httpserver import Exchange, serving
from tests.fakes.repository import FakeRepository

WRAPPER = Path(__file__).with_name("updog-tuf-client")


def run(*words: str, at: str = NOW.isoformat(), cwd: Path | None = None) -> int:
    env = {**os.environ, TIME: at}
    return subprocess.run([WRAPPER, *words], check=False, env=env, cwd=cwd).returncode


@contextmanager
def over_http(repo: FakeRepository) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    def answer(exchange: Exchange) -> None:
        content = repo.files.get(exchange.path.lstrip("/"))
        exchange.reply(404) if content is None else exchange.reply(200, content)

    with serving(answer) as server:
        yield server.base, server.log


def test_a_whole_conversation(tmp_path: Path, repo: FakeRepository) -> None:
    metadata, targets = tmp_path / "md", tmp_path / "out"
    repo.add_target("dir/file", b"content")
    repo.publish()
    tmp_path.joinpath("root").write_bytes(repo.shipped_root())
    assert run("--metadata-dir", "md", "init", "root", cwd=tmp_path) == 0
    with over_http(repo) as (base, log):
        where = ["--metadata-dir", str(metadata), "--metadata-url", f"{base}/metadata/"]
        assert run(*where, "refresh") == 0
        wanted = ["--target-name", "dir/file", "--target-base-url", f"{base}/targets"]
        assert run(*where, *wanted, "--target-dir", str(targets), "download") == 0
    names = {path.name for path in metadata.iterdir()}
    assert names == {"root.json", "timestamp.json", "snapshot.json", "targets.json"}
    assert [path.read_bytes() for path in targets.iterdir()] == [b"content"]
    assert len(log) == 4 + 2 + 1


def test_the_time_can_be_fixed(tmp_path: Path, repo: FakeRepository) -> None:
    tmp_path.joinpath("root").write_bytes(repo.shipped_root())
    assert run("--metadata-dir", str(tmp_path / "md"), "init", str(tmp_path / "root")) == 0
    with over_http(repo) as (base, _):
        where = ["--metadata-dir", str(tmp_path / "md"), "--metadata-url", f"{base}/metadata"]
        assert run(*where, "refresh", at="2032-01-01T00:00:00Z") == 1
        assert run(*where, "refresh", at="nonsense") == 1
        assert run(*where, "refresh") == 0


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["refresh"],
        ["--metadata-dir", "md", "dance"],
        ["--metadata-dir", "md", "init"],
        ["--metadata-dir", "md", "init", "/no/such/file"],
        ["--metadata-dir", "md", "--metadata-url", "http://localhost:1/", "refresh"],
        ["--metadata-dir", "md", "--colour", "refresh"],
    ],
)
def test_whatever_is_wrong_ends_with_one(tmp_path: Path, words: list[str]) -> None:
    assert run(*words, cwd=tmp_path) == 1


def test_a_dead_repository_is_asked_once(tmp_path: Path, repo: FakeRepository) -> None:
    tmp_path.joinpath("root").write_bytes(repo.shipped_root())
    run("--metadata-dir", str(tmp_path / "md"), "init", str(tmp_path / "root"))
    with serving(lambda exchange: exchange.reply(503)) as server:
        where = ["--metadata-dir", str(tmp_path / "md"), "--metadata-url", server.base]
        assert run(*where, "refresh") == 1
    assert len(server.log) == 1


def test_the_clock_of_faketime_counts(tmp_path: Path, repo: FakeRepository) -> None:
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("faketime is missing: run .ci/setup")
    tmp_path.joinpath("root").write_bytes(repo.shipped_root())
    run("--metadata-dir", str(tmp_path / "md"), "init", str(tmp_path / "root"))
    with over_http(repo) as (base, _):
        where = ["--metadata-dir", str(tmp_path / "md"), "--metadata-url", f"{base}/metadata"]
        codes = [
            subprocess.run([faketime, moment, WRAPPER, *where, "refresh"], check=False).returncode
            for moment in ("2031-04-07 09:00:00", "2033-04-07 09:00:00")
        ]
    assert codes == [0, 1]
