"""Pages whose blocks are typed, or pasted into a terminal that hands over all lines at once."""

from __future__ import annotations

import re

import pytest

from tests.fakes.pages import ROOT, Block, blocks

# Each of these reads an answer; a line that is pasted behind it would be that answer.
ASKS = re.compile(r"root sign(?!.*--yes)|rollout (?!.*(?:--yes|--dry-run))|key new .*--encrypt")
PAGES = ["tutorial.md", "root-ceremony.md"]


def asking(block: Block) -> list[str]:
    """The commands of a block that ask something."""
    commands = block.commands.replace("\\\n", "").splitlines()
    return [line for line in commands if ASKS.search(line)]


@pytest.mark.parametrize("page", PAGES)
def test_what_asks_is_the_last_of_its_block(page: str) -> None:
    for block in blocks(ROOT / "docs" / page):
        last = block.commands.replace("\\\n", "").rstrip().splitlines()[-1]
        assert asking(block) in ([], [last]), block.commands


@pytest.mark.parametrize("page", PAGES)
def test_no_block_ends_the_shell_of_the_reader(page: str) -> None:
    assert not [block for block in blocks(ROOT / "docs" / page) if "exit" in block.commands.split()]


def test_questions_are_found() -> None:
    found = [
        line for page in PAGES for block in blocks(ROOT / "docs" / page) for line in asking(block)
    ]
    assert len(found) > 10
