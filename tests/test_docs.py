"""What the pages say exists: files that are linked to, tests that are named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in TOP), *sorted(ROOT.glob("docs/**/*.md"))]

LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")
TEST_NAME = re.compile(r"`(test_\w+)`")
TEST_PATH = re.compile(r"`(tests/[\w/.-]+?)(?:::(\w+))?`")
PLACEHOLDER = re.compile(r"\b(?:NOTYET|TODO|FIXME|TBD|XXX|TUTORIAL)\b")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def names_of_tests() -> frozenset[str]:
    """The names of all test functions and files of tests."""
    names: set[str] = set()
    for path in ROOT.joinpath("tests").rglob("test_*.py"):
        names.update((path.name, path.stem))
        names.update(re.findall(r"def (test_\w+)", path.read_text()))
    return frozenset(names)


def missing_paths(text: str) -> Iterator[str]:
    for name, function in TEST_PATH.findall(text):
        path = ROOT / name
        if not path.exists() or (function and f"def {function}(" not in path.read_text()):
            yield f"{name}::{function}" if function else name


@pages
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text())
    assert [each for each in targets if not (page.parent / each).exists()] == []


@pages
def test_every_test_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    assert sorted(set(TEST_NAME.findall(text)) - names_of_tests()) == []
    assert list(missing_paths(text)) == []


@pages
def test_no_placeholder_is_left(page: Path) -> None:
    assert PLACEHOLDER.findall(page.read_text()) == []
