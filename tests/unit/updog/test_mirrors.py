"""Mirrors on fetchers in memory: who is asked, in what order, and who is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from updog.body import Body, OneBody
from updog.errors import CutShort, NotThere, TargetMismatch, TrustError, UnreachableError
from updog.mirrormemory import MirrorMemory
from updog.mirrors import Mirrors, elsewhere
from updog.patience import Patience, TryAgain
from updog.resume import ResumingBody
from updog.settings import Mirror

MAIN = Mirror("https://a/m", "https://a/t")
OTHER = Mirror("https://b/m", "https://b/t")
CDN = Mirror(targets="https://c/t")


class Net:
    """A fetcher over hosts that answer with bytes, or fail as told."""

    def __init__(self) -> None:
        self.hosts: dict[str, bytes | UnreachableError] = {}
        self.cuts: dict[str, int] = {}
        self.log: list[str] = []

    def get(self, url: str, *, max_bytes: int) -> bytes:
        self.log.append(url)
        found = self.hosts[url.split("/")[2]]
        if isinstance(found, UnreachableError):
            raise found
        return found[:max_bytes]

    def open(self, url: str, *, offset: int = 0) -> Body:
        data = self.get(url, max_bytes=1 << 20)
        return OneBody(self._chunks(url.split("/")[2], data[offset:], offset), offset)

    def _chunks(self, host: str, data: bytes, offset: int) -> Iterator[bytes]:
        end = self.cuts.get(host, 1 << 20)
        yield data[: max(end - offset, 0)]
        if len(data) > end - offset:
            raise CutShort(f"{host} broke off")


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def mirrors(net: Net, slept: list[float]) -> Mirrors:
    return Mirrors(MAIN, [OTHER, CDN], net, Patience(2, slept.append, lambda: 1.0))


def get(mirrors: Mirrors, name: str = "https://a/m/1.root.json") -> bytes:
    return mirrors.get(name, max_bytes=100)


def remembering(net: Net, folder: Path) -> Mirrors:
    memory = MirrorMemory(folder / "mirrors.json", NOW)
    return Mirrors(MAIN, [OTHER, CDN], net, Patience(0), memory)


def read(mirrors: Mirrors) -> bytes:
    body = ResumingBody(lambda at: mirrors.open("https://a/t/image", offset=at), 0, 5)
    return b"".join(body)


class TestWhoIsAsked:
    def test_the_first_while_it_answers(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": b"1"}
        assert get(mirrors) == get(mirrors) == b"1"
        assert net.log == ["https://a/m/1.root.json"] * 2

    def test_the_next_at_once_where_one_fails(
        self, mirrors: Mirrors, net: Net, slept: list[float]
    ) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": b"2"}
        assert get(mirrors) == b"2"
        assert slept == []

    def test_who_failed_is_remembered(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": b"2"}
        get(mirrors)
        get(mirrors)
        assert net.log[1:] == ["https://b/m/1.root.json"] * 2

    def test_who_failed_is_asked_again_when_the_others_fail(
        self, mirrors: Mirrors, net: Net
    ) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": b"2"}
        get(mirrors)
        net.hosts = {"a": b"1", "b": TryAgain("dead")}
        assert get(mirrors) == b"1"

    def test_who_failed_in_an_earlier_run_is_asked_last(self, net: Net, tmp_path: Path) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": b"2"}
        get(remembering(net, tmp_path))
        net.log.clear()
        assert get(remembering(net, tmp_path)) == b"2"
        assert net.log == ["https://b/m/1.root.json"]

    def test_who_failed_in_an_earlier_run_is_asked_where_nobody_else_is(
        self, net: Net, tmp_path: Path
    ) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": b"2"}
        get(remembering(net, tmp_path))
        net.hosts = {"a": b"1", "b": TryAgain("dead")}
        assert get(remembering(net, tmp_path)) == b"1"

    def test_who_lied_in_an_earlier_run_is_asked_last(self, net: Net, tmp_path: Path) -> None:
        net.hosts = {"a": b"lie", "b": b"2"}
        first = remembering(net, tmp_path)
        get(first)
        assert first.leave(TrustError("forged"))
        assert get(remembering(net, tmp_path)) == b"2"

    def test_a_row_of_dead_ones_is_gone_through_again_and_named(
        self, mirrors: Mirrors, net: Net, slept: list[float]
    ) -> None:
        net.hosts = {"a": TryAgain("a is dead"), "b": UnreachableError("b is dead")}
        with pytest.raises(UnreachableError, match=r"is dead; . is dead"):
            get(mirrors)
        assert slept == [0.2, 0.4]

    def test_hopeless_ones_are_not_asked_again(
        self, mirrors: Mirrors, net: Net, slept: list[float]
    ) -> None:
        net.hosts = dict.fromkeys("ab", UnreachableError("bad certificate", hint="look"))
        with pytest.raises(UnreachableError) as caught:
            get(mirrors)
        assert slept == []
        assert caught.value.hint == "look"

    def test_one_without_metadata_is_not_asked_for_it(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": UnreachableError("x"), "b": UnreachableError("x"), "c": b"3"}
        with pytest.raises(UnreachableError):
            get(mirrors)
        assert get(mirrors, "https://a/t/image") == b"3"

    def test_an_address_outside_is_nobodys(self, mirrors: Mirrors) -> None:
        with pytest.raises(UnreachableError, match="no configured repository"):
            get(mirrors, "https://a/metadata/x")


class TestAbsence:
    def test_the_first_who_answers_decides_about_metadata(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": TryAgain("dead"), "b": NotThere("no 2.root.json")}
        with pytest.raises(NotThere):
            get(mirrors, "https://a/m/2.root.json")
        net.hosts["a"] = b"1"
        with pytest.raises(NotThere):
            get(mirrors, "https://a/m/2.root.json")

    def test_a_target_may_lie_with_the_next(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": NotThere("x"), "b": NotThere("x"), "c": b"3"}
        assert get(mirrors, "https://a/t/image") == b"3"

    def test_a_target_that_nobody_has_is_not_there(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = dict.fromkeys("abc", NotThere("x"))
        with pytest.raises(NotThere):
            get(mirrors, "https://a/t/image")

    def test_a_dead_one_among_them_leaves_it_open(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": NotThere("x"), "b": TryAgain("dead"), "c": NotThere("x")}
        with pytest.raises(UnreachableError) as caught:
            get(mirrors, "https://a/t/image")
        assert not isinstance(caught.value, NotThere)


class TestBadBytes:
    def test_who_sent_them_is_out(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": b"bad", "b": b"good"}
        assert get(mirrors) == b"bad"
        assert elsewhere(mirrors, TrustError("bad"))
        assert get(mirrors) == b"good"
        assert not elsewhere(mirrors, TrustError("worse"))

    def test_when_nobody_is_left_the_first_lie_is_told(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": b"bad", "b": TryAgain("dead")}
        get(mirrors)
        assert elsewhere(mirrors, TrustError("a lied"))
        with pytest.raises(TrustError, match="a lied"):
            get(mirrors)
        net.hosts["b"] = NotThere("x")
        with pytest.raises(NotThere) as absent:
            get(mirrors)
        with pytest.raises(TrustError, match="a lied"):
            elsewhere(mirrors, absent.value)

    def test_metadata_and_targets_are_judged_apart(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = {"a": b"bad", "b": b"good"}
        get(mirrors)
        elsewhere(mirrors, TrustError("bad metadata"))
        assert get(mirrors, "https://a/t/image") == b"bad"

    def test_without_mirrors_there_is_no_elsewhere(self, net: Net) -> None:
        assert not elsewhere(net, TrustError("bad"))


class TestInTheMiddle:
    def test_the_next_goes_on_where_one_broke_off(self, mirrors: Mirrors, net: Net) -> None:
        net.hosts = dict.fromkeys("abc", b"0123456789")
        net.cuts = {"a": 4}
        assert read(mirrors) == b"0123456789"
        assert net.log == ["https://a/t/image", "https://b/t/image"]

    def test_a_liar_that_breaks_off_cannot_put_the_blame_on_the_next(
        self, mirrors: Mirrors, net: Net
    ) -> None:
        net.hosts = {"a": b"01bad6789", "b": b"0123456789", "c": TryAgain("dead")}
        net.cuts = {"a": 4}
        assert read(mirrors) != b"0123456789"
        assert elsewhere(mirrors, TargetMismatch("bad"))
        assert read(mirrors) == b"0123456789"

    def test_after_that_a_file_comes_from_one_server_alone(
        self, mirrors: Mirrors, net: Net
    ) -> None:
        net.hosts = {"a": b"0123456789", "b": b"0123bad89", "c": b"0123456789"}
        net.cuts = {"a": 4}
        assert read(mirrors) == b"0123bad89"
        assert elsewhere(mirrors, TargetMismatch("bad"))
        assert read(mirrors) == b"0123bad89"
        assert elsewhere(mirrors, TargetMismatch("bad"))
        assert read(mirrors) == b"0123456789"
