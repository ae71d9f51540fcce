"""What every store promises, held against a folder and against a bucket."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from repo_tools.errors import DraftError, PublisherBusy
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import Place
from repo_tools.stores.rehearsal import RehearsedStore
from repo_tools.stores.store import Store
from tests.fakes.s3server import S3Server
from updog.errors import ConfigError

NAME = "edge/x86_64/timestamp.json"


@pytest.fixture(params=["folder", "bucket", "bucket with a prefix"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens one and the same store, each time as another publisher would."""
    place = Place(to=str(tmp_path / "site"))
    if request.param != "folder":
        server: S3Server = request.getfixturevalue("s3")
        end = "/a/b" if "prefix" in request.param else ""
        place = Place(to=f"s3://{server.bucket()}{end}", endpoint=server.endpoint)
    return lambda: open_store(place, tmp_path / "published")


@pytest.fixture
def store(again: Callable[[], Store]) -> Store:
    made = again()
    made.prepare("edge/x86_64")
    made.prepare("targets")
    return made


def test_what_was_put_is_read(store: Store, again: Callable[[], Store]) -> None:
    store.put(NAME, b"first")
    assert store.read(NAME) == b"first"
    assert again().read(NAME) == b"first"


def test_a_file_is_replaced(store: Store) -> None:
    store.put(NAME, b"first")
    store.put(NAME, b"second")
    assert store.read(NAME) == b"second"


def test_what_is_not_there_reads_as_nothing(store: Store) -> None:
    assert store.read("edge/x86_64/9.root.json") is None
    assert store.sizes("nowhere") == {}


def test_sizes_are_those_of_one_folder(store: Store) -> None:
    store.put(NAME, b"12345")
    store.put("edge/x86_64/1.root.json", b"123")
    store.put("targets/other", b"1")
    assert store.sizes("edge/x86_64") == {"timestamp.json": 5, "1.root.json": 3}


def test_a_new_file_never_replaces_one(store: Store, again: Callable[[], Store]) -> None:
    again().put(NAME, b"somebody's")
    with pytest.raises(PublisherBusy, match="since this run began"):
        store.put(NAME, b"ours", new=True)
    assert store.read(NAME) == b"somebody's"


def test_a_file_is_sent(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(b"image" * 1000)
    store.send("targets/image", source, sha256(source.read_bytes()).hexdigest())
    assert store.read("targets/image") == source.read_bytes()


def test_a_file_with_other_bytes_is_not_sent(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "image"
    source.write_bytes(b"changed since")
    with pytest.raises(DraftError, match="was changed after it had been added"):
        store.send("targets/image", source, "0" * 64)
    assert store.sizes("targets") == {}


def test_one_publisher_at_a_time(store: Store, again: Callable[[], Store]) -> None:
    with store.exclusive(), pytest.raises(PublisherBusy, match="Another updog-repo"):
        again().exclusive().__enter__()
    with again().exclusive():
        pass


def test_the_lock_is_let_go_when_a_run_fails(store: Store, again: Callable[[], Store]) -> None:
    with pytest.raises(KeyError), store.exclusive():
        raise KeyError
    with again().exclusive():
        pass


def test_a_rehearsal_tells_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    store.put(NAME, b"old")
    source = tmp_path / "image"
    source.write_bytes(b"image")
    told: list[str] = []
    rehearsed = RehearsedStore(store, told.append)
    with rehearsed.exclusive():
        rehearsed.prepare("targets")
        rehearsed.put(NAME, b"new")
        rehearsed.put("edge/x86_64/2.targets.json", b"new", new=True)
        rehearsed.send("targets/image", source, "0" * 64)
    assert told == [
        f"Would write {NAME} (3 bytes, replacing the old one)",
        "Would write edge/x86_64/2.targets.json (3 bytes, new)",
        f"Would copy {source} to targets/image (5 bytes)",
    ]
    assert store.read(NAME) == b"old"
    assert store.sizes("targets") == {}


@pytest.mark.parametrize("to", ["ftp://host/a", "s3://", "s3:///prefix"])
def test_what_is_no_place_is_refused(to: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        open_store(Place(to=to), tmp_path)


def test_the_folder_of_the_repository_itself_has_its_lock_already(tmp_path: Path) -> None:
    store = open_store(Place(to=str(tmp_path)), tmp_path)
    with store.exclusive():
        assert list(tmp_path.iterdir()) == []
