from __future__ import annotations

from datetime import timedelta

import pytest

from repo_tools.stores.headers import headers_of


@pytest.mark.parametrize(
    "name",
    [
        "edge/x86_64/1.root.json",
        "edge/x86_64/12.snapshot.json",
        f"targets/{'0' * 64}.manifest.json",
        f"targets/{'f' * 64}.os-1.2.0-root.ext4.lz4",
    ],
)
def test_what_never_changes_is_kept_for_ever(name: str) -> None:
    assert "immutable" in headers_of(name).cache_control


@pytest.mark.parametrize("name", ["edge/x86_64/timestamp.json", "targets/manifest.json", "x"])
def test_what_may_change_is_asked_for_again(name: str) -> None:
    told = headers_of(name, timedelta(seconds=30)).cache_control
    assert told == "public, max-age=30, must-revalidate, no-transform"


def test_an_image_is_just_bytes() -> None:
    assert headers_of(f"{'0' * 64}.a.lz4").content_type == "application/octet-stream"
    assert headers_of(f"{'0' * 64}.manifest.json").content_type == "application/json"
