"""The recording for the README is what a real run prints, and stands alone."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from fixtures import recording

pytestmark = pytest.mark.slow


def test_a_real_run_becomes_a_cast_and_a_picture(tmp_path: Path) -> None:
    cast, image = tmp_path / "run.cast", tmp_path / "run.svg"
    recording.main([str(cast), str(image)])
    head, *events = map(json.loads, cast.read_text().splitlines())
    assert (head["version"], head["width"]) == (2, recording.COLUMNS)
    assert all(one[0] <= two[0] for one, two in pairwise(events))
    told = "".join(text for _, kind, text in events if kind == "o")
    assert "Update applied: edge 1.1.0" in told
    assert "Set B is marked successful." in told
    assert told.count("Set A boots next.") == 1
    drawn = image.read_text()
    assert drawn.startswith("<svg")
    assert "@font-face" not in drawn
    assert "url(http" not in drawn
