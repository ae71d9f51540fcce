from __future__ import annotations

from pathlib import Path

import pytest

from partitions.blockio import Extent

IMAGE = Path("disk.img")


@pytest.mark.parametrize(("offset", "size"), [(-1, None), (0, -1)])
def test_an_extent_does_not_start_or_end_before_its_file(offset: int, size: int | None) -> None:
    with pytest.raises(ValueError, match=r"disk\.img: an extent cannot"):
        Extent(IMAGE, offset, size)


@pytest.mark.parametrize(
    ("extent", "said"),
    [
        (Extent(IMAGE), "disk.img"),
        (Extent(IMAGE, 512), "disk.img@512"),
        (Extent(IMAGE, 512, 1024), "disk.img@512+1024"),
        (Extent(IMAGE, 0, 1024), "disk.img"),
    ],
)
def test_an_extent_says_where_it_is(extent: Extent, said: str) -> None:
    assert str(extent) == said
