"""The demo's story on small images: every chapter holds what it says."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from fixtures.demo.screen import Screen
from fixtures.demo.story import Story, StoryError
from fixtures.publisher import Publisher


def tell(home: Path, story: type[Story] = Story) -> str:
    """Tell the story and return what was shown."""
    shown = io.StringIO()
    publisher = Publisher.create(home / "repository", datetime.now(UTC))
    with publisher.serving() as url:
        screen = Screen(Console(file=shown, width=100, highlight=False))
        story(home, screen, publisher, url, content_mib=3).tell()
    return shown.getvalue()


def test_every_chapter_ends_as_it_says(tmp_path: Path) -> None:
    shown = tell(tmp_path)
    assert "running 1.1.0 from set B, confirmed" in shown
    assert "✘" not in shown
    assert shown.count("✔") >= 5


class Untampered(Story):
    """A story whose last chapter finds nothing wrong to refuse."""

    def a_tampered_image_is_refused(self) -> None:
        self.run("update", "--now", expect=65)


def test_a_chapter_that_does_not_hold_ends_the_story(tmp_path: Path) -> None:
    with pytest.raises(StoryError, match="should have ended with 65"):
        tell(tmp_path, Untampered)
