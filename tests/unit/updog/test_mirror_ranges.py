"""Parts of a file from several servers over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.fakes.rangeserver import Served, serving
from updog.errors import CutShort, TargetMismatch, UnreachableError
from updog.fetch import FetchSettings, HttpFetcher
from updog.mirrors import Mirrors, elsewhere
from updog.patience import Patience
from updog.pipeline.ranges import Range
from updog.pipeline.source import RangeSource
from updog.settings import Mirror

DATA = bytes(range(256)) * 4096
SETTINGS = FetchSettings(timeout_connect=2.0, timeout_stall=2.0, retries=0)


@pytest.fixture
def servers() -> Iterator[tuple[Served, Served]]:
    with ExitStack() as stack:
        yield stack.enter_context(serving(Served(DATA))), stack.enter_context(serving(Served(DATA)))


def mirrors_of(*served: Served) -> Mirrors:
    one, *others = (Mirror(targets=each.url.removesuffix("/file")) for each in served)
    once = HttpFetcher(SETTINGS)
    return Mirrors(one, others, once, Patience(0, lambda _seconds: None))


def source_of(mirrors: Mirrors, first: Served) -> RangeSource:
    found = mirrors.ranges(first.url, "image", lambda _count: None)
    assert found is not None
    return found


def read(source: RangeSource, *wanted: Range) -> bytes:
    return b"".join(bytes(piece.data) for piece in source.fetch(wanted))


def test_the_first_server_is_asked(servers: tuple[Served, Served]) -> None:
    first, second = servers
    assert read(source_of(mirrors_of(*servers), first), Range(10, 20)) == DATA[10:30]
    assert (len(first.asked), len(second.asked)) == (1, 0)


def test_the_next_one_is_asked_where_the_first_is_gone(servers: tuple[Served, Served]) -> None:
    gone = Served(DATA, url="http://127.0.0.1:9/file")
    mirrors = mirrors_of(gone, servers[0])
    assert read(source_of(mirrors, gone), Range(10, 20)) == DATA[10:30]


def test_a_server_that_breaks_off_is_asked_last(servers: tuple[Served, Served]) -> None:
    first, second = servers
    first.cut_after, first.cuts = 1000, 1
    source = source_of(mirrors_of(*servers), first)
    with pytest.raises(CutShort):
        read(source, Range(0, 500_000))
    assert read(source, Range(0, 500_000)) == DATA[:500_000]
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_a_server_whose_parts_were_wrong_is_left(servers: tuple[Served, Served]) -> None:
    first, second = servers
    mirrors = mirrors_of(*servers)
    read(source_of(mirrors, first), Range(0, 10))
    assert elsewhere(mirrors, TargetMismatch("the parts are not what was signed"))
    read(source_of(mirrors, first), Range(0, 10))
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_of_a_file_from_two_servers_nobody_is_blamed(servers: tuple[Served, Served]) -> None:
    first, second = servers
    first.cut_after, first.cuts = 1000, 1
    mirrors = mirrors_of(*servers)
    source = source_of(mirrors, first)
    with pytest.raises(CutShort):
        read(source, Range(0, 500_000))
    read(source, Range(0, 10))
    assert elsewhere(mirrors, TargetMismatch("whose half was it?"))
    again = source_of(mirrors, first)
    read(again, Range(0, 10))
    read(again, Range(10, 10))
    assert len(second.asked) == 3


def test_no_server_at_all_is_said(servers: tuple[Served, Served]) -> None:
    gone = Served(DATA, url="http://127.0.0.1:9/file")
    with pytest.raises(UnreachableError):
        read(source_of(mirrors_of(gone), gone), Range(0, 10))
    assert servers[0].asked == []


def test_a_local_directory_among_the_mirrors_makes_everything_a_stream() -> None:
    web, local = Mirror(targets="https://a/t"), Mirror(targets="file:///srv/t")
    mirrors = Mirrors(web, [local], HttpFetcher(SETTINGS), Patience(0))
    assert mirrors.ranges("https://a/t/image", "image", lambda _count: None) is None
