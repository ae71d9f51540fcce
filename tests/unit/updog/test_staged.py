from __future__ import annotations

import json
from pathlib import Path

import pytest

from updog.staged import StagedImage, StagedUpdate, forget, recall, remember

ROOT = StagedImage("root", "root.lz4", "aa", 4096, "blake3:bb")
LABEL = StagedUpdate("B", "edge-gw", "x86_64", "1.1.0", (ROOT,))


def test_a_label_is_kept_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "state" / "stage.json"
    assert recall(path) is None
    remember(path, LABEL)
    assert recall(path) == LABEL
    forget(path)
    assert recall(path) is None


def test_a_label_of_an_older_version_has_no_images(tmp_path: Path) -> None:
    said = LABEL._asdict()
    del said["images"]
    (tmp_path / "stage.json").write_text(json.dumps(said))
    assert recall(tmp_path / "stage.json") == LABEL._replace(images=())


@pytest.mark.parametrize(
    "images",
    [7, [7], [{}], [{"role": 1}], [{**ROOT._asdict(), "length": -1}]]
    + [[{**ROOT._asdict(), name: True}] for name in ROOT._fields],
)
def test_images_that_make_no_sense_leave_the_rest(tmp_path: Path, images: object) -> None:
    said = {**LABEL._asdict(), "images": images}
    (tmp_path / "stage.json").write_text(json.dumps(said))
    assert recall(tmp_path / "stage.json") == LABEL._replace(images=())


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", "{}", '{"slot": 1}', "\0" * 9, "[" * 9999, '{"slot": "B"}']
)
def test_a_damaged_label_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stage.json").write_text(content)
    assert recall(tmp_path / "stage.json") is None
