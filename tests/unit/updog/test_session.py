"""What the rest of the program asks of a repository."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.fakes.clock import NOW, FakeClock
from tests.fakes.repository import URLS, FakeRepository
from tests.fakes.visit import Visitor
from updog.body import Fetcher
from updog.errors import (
    CutShort,
    Expired,
    InternalError,
    NotThere,
    StorageError,
    TargetMismatch,
    TrustError,
    UnreachableError,
)
from updog.remote import RESUMES
from updog.session import Session
from updog.tufstore import MetadataStore

DATA = bytes(range(256)) * 40


def path_of(name: str, data: bytes = DATA) -> str:
    return f"targets/{hashlib.sha256(data).hexdigest()}.{name}"


def streamed(session: Session) -> bytes:
    with session.stream(session.target("image")) as body:
        return b"".join(body)


@pytest.fixture
def repo() -> FakeRepository:
    repo = FakeRepository()
    repo.add_target("image", DATA)
    repo.add_target("manifest.json", b"{}")
    repo.publish()
    return repo


@pytest.fixture
def visitor(repo: FakeRepository, tmp_path: Path) -> Visitor:
    return Visitor(repo, tmp_path / "state")


@pytest.fixture
def session(visitor: Visitor) -> Session:
    return visitor.refreshed()


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "migrations", tmp_path / "metadata"


class TestLengthToldBeforehand:
    def test_a_file_that_cannot_be_the_right_one_is_not_begun(
        self, repo: FakeRepository, session: Session
    ) -> None:
        repo.faults.totals[path_of("image")] = len(DATA) - 1
        with pytest.raises(TargetMismatch, match=f"image has {len(DATA) - 1} bytes, but"):
            session.stream(session.target("image"))

    def test_the_right_one_is_streamed(self, repo: FakeRepository, session: Session) -> None:
        repo.faults.totals[path_of("image")] = len(DATA)
        assert streamed(session) == DATA
        with session.stream(session.target("image"), offset=9) as body:
            assert body.total == len(DATA)

    def test_a_file_that_changed_while_it_broke_off_is_refused(
        self, repo: FakeRepository, session: Session
    ) -> None:
        repo.faults.cuts[path_of("image")] = [100]
        with session.stream(session.target("image")) as body:
            repo.faults.totals[path_of("image")] = 7
            with pytest.raises(TargetMismatch):
                b"".join(body)


def test_the_fake_is_a_fetcher(repo: FakeRepository) -> None:
    fetcher: Fetcher = repo
    assert fetcher


def test_nothing_is_read_before_a_refresh(visitor: Visitor) -> None:
    session = visitor.session()
    uses = (partial(session.target, "image"), session.versions, session.check_fresh)
    for use in uses:
        with pytest.raises(InternalError):
            use()


def test_a_broken_shipped_root_stops_everything(repo: FakeRepository, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"root\.json"):
        Session(URLS, b"{}", MetadataStore(tmp_path), repo, NOW)
    assert repo.log == []


class TestTarget:
    def test_a_target_says_what_was_signed(self, session: Session) -> None:
        target = session.target("image")
        assert (target.name, target.length) == ("image", len(DATA))
        assert target.hashes == {"sha256": hashlib.sha256(DATA).hexdigest()}

    def test_custom_data_is_kept(self, visitor: Visitor) -> None:
        visitor.repo.resign(
            "targets", lambda s: s["targets"]["image"].update(custom={"raw": {"length": 7}})
        )
        assert visitor.refreshed().target("image").custom == {"raw": {"length": 7}}

    def test_an_unlisted_target_is_an_error_that_names_it(self, session: Session) -> None:
        with pytest.raises(TrustError, match="lists no target 'other'"):
            session.target("other")

    @pytest.mark.parametrize("algorithms", [("sha256",), ("sha512",), ("sha256", "sha512")])
    def test_any_known_hash_will_do(self, visitor: Visitor, algorithms: tuple[str, ...]) -> None:
        visitor.repo.add_target("file", b"abc", algorithms=algorithms)
        visitor.repo.publish()
        assert visitor.refreshed().read("file") == b"abc"

    def test_unknown_hashes_beside_a_known_one_are_no_obstacle(self, visitor: Visitor) -> None:
        def edit(signed: dict[str, dict[str, dict[str, dict[str, str]]]]) -> None:
            signed["targets"]["image"]["hashes"]["whirlpool"] = "00"

        visitor.repo.resign("targets", edit)
        assert visitor.refreshed().read("image") == DATA

    def test_digests_in_upper_case_are_the_same_digests(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        def shout(signed: dict[str, dict[str, dict[str, dict[str, str]]]]) -> None:
            hashes = signed["targets"]["image"]["hashes"]
            hashes["sha256"] = hashes["sha256"].upper()

        visitor.repo.resign("targets", shout)
        session = visitor.refreshed()
        expected = {"sha256": hashlib.sha256(DATA).hexdigest()}
        assert session.target("image").hashes == expected
        assert session.read("image") == DATA
        session.cache(["image"], *places)
        assert [path.read_bytes() for path in places[0].iterdir()] == [DATA]

    def test_unknown_hashes_alone_are_refused(self, visitor: Visitor) -> None:
        visitor.repo.add_target("file", b"abc", algorithms=("md5",))
        visitor.repo.publish()
        with pytest.raises(TrustError, match="without a SHA-256"):
            visitor.refreshed().target("file")


class TestRead:
    def test_the_signed_bytes_are_returned(self, session: Session) -> None:
        assert session.read("image") == DATA
        assert session.read(session.target("image")) == DATA

    @pytest.mark.parametrize(
        "served",
        [DATA[:-1] + b"\0", b"\0" * len(DATA), b""],
        ids=["last byte", "other bytes", "nothing"],
    )
    def test_other_bytes_are_refused(
        self, visitor: Visitor, session: Session, served: bytes
    ) -> None:
        visitor.repo.files[path_of("image")] = served
        with pytest.raises(TargetMismatch):
            session.read("image")

    def test_surplus_bytes_are_refused_without_reading_on(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.files[path_of("image")] = DATA + b"\0" * 10_000_000
        with pytest.raises(TrustError, match="longer than"):
            session.read("image")

    def test_more_than_the_reader_wants_is_not_fetched(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.log.clear()
        with pytest.raises(TrustError, match="10 are allowed"):
            session.read("image", max_bytes=10)
        assert visitor.repo.log == []

    def test_a_file_that_vanished_is_said_to_be_missing(
        self, visitor: Visitor, session: Session
    ) -> None:
        del visitor.repo.files[path_of("image")]
        with pytest.raises(NotThere):
            session.read("image")

    @pytest.mark.parametrize(
        "name",
        ["../up", "/abs", "a/../b", "a//b", "./a", "a\0b", "", "a\\b", "x" * 256, "d/" + "x" * 200],
    )
    def test_names_unsafe_as_paths_are_never_fetched(self, visitor: Visitor, name: str) -> None:
        visitor.repo.resign(
            "targets",
            lambda s: s["targets"].update({name: {"length": 1, "hashes": {"sha256": "00" * 32}}}),
        )
        session = visitor.refreshed()
        visitor.repo.log.clear()
        with pytest.raises(TrustError, match="not safe"):
            session.read(name)
        assert visitor.repo.log == []

    def test_a_name_with_a_directory_and_odd_characters_is_fetched(self, visitor: Visitor) -> None:
        visitor.repo.add_target("dir/ä b?#%20", b"abc")
        visitor.repo.publish()
        assert visitor.refreshed().read("dir/ä b?#%20") == b"abc"
        assert visitor.repo.log[-1].endswith(".ä b?#%20")


class TestStream:
    def test_it_can_begin_in_the_middle(self, session: Session) -> None:
        with session.stream(session.target("image"), offset=5000) as body:
            assert body.offset == 5000
            assert b"".join(body) == DATA[5000:]

    def test_it_tells_when_the_server_began_at_the_start(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.faults.no_range.add(path_of("image"))
        with session.stream(session.target("image"), offset=5000) as body:
            assert body.offset == 0
            assert b"".join(body) == DATA

    def test_a_cut_after_a_late_start_goes_on(self, visitor: Visitor, session: Session) -> None:
        visitor.repo.faults.cuts[path_of("image")] = [100, None]
        with session.stream(session.target("image"), offset=5000) as body:
            assert b"".join(body) == DATA[5000:]

    def test_a_cut_transfer_goes_on_where_it_stopped(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.faults.cuts[path_of("image")] = [3000, 0, 1]
        visitor.repo.log.clear()
        assert streamed(session) == DATA
        path = path_of("image")
        assert visitor.repo.log == [path, f"{path}@3000", f"{path}@3000", f"{path}@3001"]

    def test_a_server_without_ranges_is_read_from_its_start_again(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.faults.cuts[path_of("image")] = [3000, 1000, 5000]
        visitor.repo.faults.no_range.add(path_of("image"))
        assert streamed(session) == DATA

    def test_a_file_that_ends_early_is_another_file_and_not_asked_for_again(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.files[path_of("image")] = DATA[:-1]
        visitor.repo.log.clear()
        assert streamed(session) == DATA[:-1]
        assert visitor.repo.log == [path_of("image")]

    def test_a_link_that_never_gains_anything_ends(
        self, visitor: Visitor, session: Session
    ) -> None:
        visitor.repo.faults.cuts[path_of("image")] = [0] * 100
        with pytest.raises(CutShort):
            streamed(session)
        assert len(visitor.repo.faults.cuts[path_of("image")]) == 100 - 1 - RESUMES


class TestTime:
    @pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
    def test_nothing_is_fresh_after_the_earliest_expiry(self, visitor: Visitor, role: str) -> None:
        visitor.repo.publish_root()
        visitor.repo.resign(role, lambda s: s.update(expires="2031-04-07T12:00:00Z"))
        session, clock = visitor.refreshed(), FakeClock()
        session.follow(clock)
        clock.advance(timedelta(hours=2, minutes=59))
        session.check_fresh()
        clock.advance(timedelta(minutes=1))
        with pytest.raises(Expired, match=role):
            session.check_fresh()

    def test_no_further_target_is_begun_after_a_download_that_outlived_the_metadata(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.resign("timestamp", lambda s: s.update(expires="2031-04-07T12:00:00Z"))
        session, clock = visitor.refreshed(), FakeClock()
        session.follow(clock)
        with session.stream(session.target("image")) as body:
            clock.advance(timedelta(hours=3))
            assert b"".join(body) == DATA
        visitor.repo.log.clear()
        uses: tuple[Callable[[], object], ...] = (
            lambda: session.read("manifest.json"),
            lambda: session.stream(session.target("image")),
            lambda: session.cache(["image"], *places),
        )
        for use in uses:
            with pytest.raises(Expired, match="while this run lasted") as caught:
                use()
            assert "again" in caught.value.hint
        assert visitor.repo.log == []

    def test_a_clock_that_steps_back_does_not_make_metadata_fresh_again(
        self, visitor: Visitor
    ) -> None:
        visitor.repo.resign("timestamp", lambda s: s.update(expires="2031-04-07T12:00:00Z"))
        session, clock = visitor.refreshed(), FakeClock()
        session.follow(clock)
        for step in (timedelta(hours=3), timedelta(hours=-3)):
            clock.advance(step)
            with pytest.raises(Expired):
                session.check_fresh()

    def test_without_a_clock_time_stands_still(self, session: Session) -> None:
        session.check_fresh()
        assert session.read("manifest.json") == b"{}"

    def test_the_refresh_itself_goes_by_one_fixed_time(self, visitor: Visitor) -> None:
        session = visitor.session()
        session.follow(FakeClock(NOW + timedelta(days=365)))
        session.refresh()
        with pytest.raises(Expired):
            session.check_fresh()


class TestQuery:
    def test_parameters_are_sorted_and_encoded_on_every_address(self, visitor: Visitor) -> None:
        session = visitor.session()
        session.query("version", "1.0.0+b")
        session.query("seed", "7")
        session.refresh()
        assert set(visitor.repo.queries) == {"seed=7&version=1.0.0%2Bb"}

    def test_later_parameters_are_added(self, visitor: Visitor, session: Session) -> None:
        session.query("migrations", "a,b c")
        session.read("image")
        assert visitor.repo.queries[-1] == "migrations=a%2Cb+c"

    def test_without_parameters_there_is_no_question_mark(
        self, visitor: Visitor, session: Session
    ) -> None:
        assert session.versions()
        assert set(visitor.repo.queries) == {""}


class TestCache:
    def test_targets_and_metadata_lie_where_the_next_boot_looks(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        session.cache(["manifest.json", "image"], *places)
        assert {path.name for path in places[0].iterdir()} == {
            path_of("image").partition("/")[2],
            path_of("manifest.json", b"{}").partition("/")[2],
        }
        assert {path.name: path.read_bytes() for path in places[1].iterdir()} == {
            name: visitor.repo.files[f"metadata/{name}"]
            for name in ("1.root.json", "2.snapshot.json", "2.targets.json", "timestamp.json")
        }

    def test_no_metadata_is_fetched_a_second_time(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.log.clear()
        session.cache([], *places)
        assert visitor.repo.log == []

    def test_every_root_is_there(self, visitor: Visitor, places: tuple[Path, Path]) -> None:
        for _ in range(4):
            visitor.repo.publish_root()
        visitor.shipped = visitor.repo.shipped_root(3)
        visitor.refreshed().cache([], *places)
        names = {path.name for path in places[1].iterdir()}
        assert {f"{n}.root.json" for n in range(1, 6)} <= names

    def test_roots_that_the_server_dropped_are_left_out(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        for _ in range(2):
            visitor.repo.publish_root()
        visitor.shipped = visitor.repo.shipped_root(3)
        del visitor.repo.files["metadata/1.root.json"]
        session = visitor.refreshed()
        session.cache([], *places)
        names = {path.name for path in places[1].iterdir()}
        assert "1.root.json" not in names
        assert {"2.root.json", "3.root.json"} <= names
        assert session.warnings == ()

    def test_an_older_root_that_does_not_lead_to_the_next_is_left_out(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.publish_root()
        visitor.shipped = visitor.repo.shipped_root(2)
        visitor.repo.files["metadata/1.root.json"] = FakeRepository().shipped_root()
        session = visitor.refreshed()
        session.cache([], *places)
        assert not (places[1] / "1.root.json").exists()
        assert any("root version 1" in warning for warning in session.warnings)

    def test_a_damaged_target_leaves_nothing_behind(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.files[path_of("image")] = b"\0" * len(DATA)
        with pytest.raises(TargetMismatch, match="sha256"):
            session.cache(["image"], *places)
        assert list(places[0].iterdir()) == []
        assert not places[1].exists()

    def test_a_target_that_is_too_long_leaves_nothing_behind(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.files[path_of("image")] = DATA * 2
        with pytest.raises(TargetMismatch, match="long"):
            session.cache(["image"], *places)
        assert list(places[0].iterdir()) == []

    def test_an_unreachable_target_leaves_nothing_behind(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.faults.errors[path_of("image")] = UnreachableError("gone")
        with pytest.raises(UnreachableError):
            session.cache(["image"], *places)
        assert list(places[0].iterdir()) == []

    def test_what_is_there_already_is_not_fetched_again(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        session.cache(["image"], *places)
        visitor.repo.log.clear()
        session.cache(["image"], *places)
        assert visitor.repo.log == []

    def test_what_was_damaged_on_disk_is_fetched_again(
        self, session: Session, places: tuple[Path, Path]
    ) -> None:
        session.cache(["image"], *places)
        file = places[0] / path_of("image").partition("/")[2]
        file.write_bytes(b"\0" * len(DATA))
        session.cache(["image"], *places)
        assert file.read_bytes() == DATA

    def test_pruning_removes_older_targets_and_leaves_foreign_files(
        self, session: Session, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        session.cache(["image"], *places)
        (places[0] / "notes.txt").write_text("mine")
        (places[0] / ".updog-draft-0123").write_text("left by a crash")
        (places[1] / "notes.json").write_text("mine")
        visitor.repo.publish()
        newer = visitor.refreshed()
        newer.cache(["manifest.json"], *places)
        assert (places[0] / path_of("image").partition("/")[2]).exists()
        newer.prune(["manifest.json"], places[0])
        assert {path.name for path in places[0].iterdir()} == {
            path_of("manifest.json", b"{}").partition("/")[2],
            "notes.txt",
        }
        assert {path.name for path in places[1].iterdir()} == {
            "1.root.json",
            "3.snapshot.json",
            "3.targets.json",
            "timestamp.json",
            "notes.json",
        }

    def test_names_with_directories_are_refused(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.add_target("dir/file", b"x")
        visitor.repo.publish()
        with pytest.raises(TrustError, match="only plain names"):
            visitor.refreshed().cache(["dir/file"], *places)

    def test_plain_snapshots_are_cached_under_plain_names(
        self, tmp_path: Path, places: tuple[Path, Path]
    ) -> None:
        repo = FakeRepository(consistent=False)
        repo.add_target("file", b"x")
        repo.publish()
        Visitor(repo, tmp_path / "state").refreshed().cache(["file"], *places)
        assert [path.name for path in places[0].iterdir()] == ["file"]
        names = {path.name for path in places[1].iterdir()}
        assert names == {"1.root.json", "snapshot.json", "targets.json", "timestamp.json"}

    @pytest.mark.parametrize("blocked", [0, 1])
    def test_a_directory_that_cannot_be_made_is_our_error(
        self, session: Session, places: tuple[Path, Path], blocked: int
    ) -> None:
        places[blocked].write_bytes(b"a file in the way")
        with pytest.raises(StorageError, match=places[blocked].name):
            session.cache(["image"], *places)

    def test_delegated_roles_that_were_asked_are_cached_too(
        self, visitor: Visitor, places: tuple[Path, Path]
    ) -> None:
        visitor.repo.delegate("targets", "a", ["*"])
        visitor.repo.add_target("file", b"x", role="a")
        visitor.repo.publish()
        visitor.refreshed().cache(["file"], *places)
        assert (places[1] / "2.a.json").read_bytes() == visitor.repo.metadata("a")

    def test_the_metadata_is_written_from_the_root_up_to_the_timestamp(
        self, visitor: Visitor
    ) -> None:
        """What makes the rest current comes last: a power cut leaves the older set or this one."""
        visitor.repo.delegate("targets", "a", ["file"])
        visitor.repo.add_target("file", b"x", role="a")
        visitor.repo.publish()
        session = visitor.refreshed()
        session.target("file")
        names = list(session.metadata_files())
        assert names[0] == "1.root.json"
        assert set(names[1:-2]) == {"3.targets.json", "2.a.json"}
        assert names[-2:] == ["3.snapshot.json", "timestamp.json"]

    def test_the_cached_set_fits_together(
        self, session: Session, places: tuple[Path, Path]
    ) -> None:
        session.cache(["image"], *places)
        timestamp = json.loads((places[1] / "timestamp.json").read_bytes())
        listed = timestamp["signed"]["meta"]["snapshot.json"]
        snapshot = (places[1] / f"{listed['version']}.snapshot.json").read_bytes()
        assert hashlib.sha256(snapshot).hexdigest() == listed["hashes"]["sha256"]
