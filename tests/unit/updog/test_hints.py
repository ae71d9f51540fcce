"""Errors that a user meets say what to do next."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from partitions.sysfs import WAY_OUT
from tests.unit.updog.test_httpanswer import Head
from updog.errors import NotThere, TargetMismatch, UpdogError
from updog.fetch import FetchSettings, HttpFetcher
from updog.httpanswer import usable
from updog.localfetch import LocalFetcher
from updog.offline.sources import open_source
from updog.stream import Tally, decompress


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def fetch_from_nobody() -> None:
    fetcher = HttpFetcher(FetchSettings(retries=0, proxies={}))
    fetcher.get(f"http://127.0.0.1:{closed_port()}/timestamp.json", max_bytes=10)


def compare_other_bytes() -> None:
    tally = Tally()
    tally.add(b"other")
    tally.check("root.lz4", 5, {"sha256": "0" * 64})


def decode_noise() -> None:
    list(decompress([b"neither LZ4 nor anything else"], 1 << 20, "root.lz4"))


@pytest.mark.parametrize(
    ("act", "message", "hint"),
    [
        (fetch_from_nobody, "connection refused", "that the server runs"),
        (compare_other_bytes, "its sha256 is not the signed one", "damaged file"),
        (decode_noise, "not a sound LZ4 frame", "damaged file"),
        (
            lambda: LocalFetcher().get("file:///nowhere/timestamp.json", max_bytes=10),
            "does not exist",
            "addresses in the configuration",
        ),
        (lambda: open_source(Path("/nowhere")), "does not exist", "after --from"),
    ],
)
def test_what_failed_comes_with_what_to_do_next(
    act: Callable[[], object], message: str, hint: str
) -> None:
    with pytest.raises(UpdogError, match=message) as caught:
        act()
    assert hint in caught.value.hint


def test_a_file_that_a_server_does_not_have_points_at_the_addresses() -> None:
    with pytest.raises(NotThere) as caught:
        usable(Head(404), "http://server/timestamp.json")
    assert "updog doctor" in caught.value.hint


def test_the_words_of_the_decoder_reach_nobody() -> None:
    with pytest.raises(TargetMismatch) as caught:
        decode_noise()
    assert "LZ4F" not in str(caught.value)
    assert "code" not in str(caught.value)


def test_an_error_with_its_own_hint_keeps_it() -> None:
    assert TargetMismatch("too large", hint="Take another disk.").hint == "Take another disk."


def test_the_way_out_of_a_disk_that_is_not_found_is_one_for_both_tools() -> None:
    assert "[boot] in the configuration of updog" in WAY_OUT
    assert "--disk and --active of signpost" in WAY_OUT
