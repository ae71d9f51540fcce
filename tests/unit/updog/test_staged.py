from __future__ import annotations

from pathlib import Path

import pytest

from updog.staged import StagedUpdate, forget, recall, remember

LABEL = StagedUpdate("B", "edge-gw", "x86_64", "1.1.0")


def test_a_label_is_kept_and_dropped(tmp_path: Path) -> None:
    path = tmp_path / "state" / "stage.json"
    assert recall(path) is None
    remember(path, LABEL)
    assert recall(path) == LABEL
    forget(path)
    assert recall(path) is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", "{}", '{"slot": 1}', "\0" * 9, "[" * 9999, '{"slot": "B"}']
)
def test_a_damaged_label_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "stage.json").write_text(content)
    assert recall(tmp_path / "stage.json") is None
