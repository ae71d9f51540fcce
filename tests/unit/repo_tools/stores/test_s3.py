"""What only a bucket has: leases, conditions, headers, and errors from afar."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from types_boto3_s3 import S3Client

from repo_tools.errors import PublisherBusy
from repo_tools.stores.bucket import Bucket
from repo_tools.stores.headers import Headers
from repo_tools.stores.lease import Lease, read_note
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import Place
from repo_tools.stores.process import Process, this_process
from repo_tools.stores.s3 import LOCK, S3Store
from tests.fakes.s3server import S3Server
from updog.errors import ConfigError, UnreachableError

ELSEWHERE = Process("other-host", "other boot", 7, "1234")


@pytest.fixture
def bucket(s3: S3Server) -> Bucket:
    return Bucket(s3.client, s3.bucket())


@pytest.fixture
def store(bucket: Bucket) -> S3Store:
    return S3Store(bucket, "site")


def lease(bucket: Bucket, owner: Process, term: timedelta = timedelta(minutes=5)) -> Lease:
    return Lease(bucket, LOCK, term, owner=owner)


def test_a_publisher_of_another_machine_is_respected(bucket: Bucket) -> None:
    held = lease(bucket, ELSEWHERE)
    held.take()
    with pytest.raises(PublisherBusy, match="process 7 on other-host") as caught:
        lease(bucket, this_process()).take()
    assert "was killed, its lock ends in" in caught.value.hint
    held.release()


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_over(bucket: Bucket) -> None:
    dead = lease(bucket, replace(this_process(), began="0"))
    dead.take()
    dead._end.set()
    mine = lease(bucket, this_process())
    mine.take()
    mine.release()
    assert bucket.get(LOCK) is None


def test_a_lock_that_was_not_renewed_for_its_term_is_taken_over(bucket: Bucket) -> None:
    note = {"owner": {"host": "h", "space": "s", "pid": 1, "began": "1"}, "seconds": -1}
    bucket.put(LOCK, json.dumps(note).encode(), Headers("application/json", "no-store"))
    mine = lease(bucket, this_process())
    mine.take()
    mine.release()


def test_a_damaged_lock_counts_for_the_usual_term(bucket: Bucket) -> None:
    bucket.put(LOCK, b"{", Headers("application/json", "no-store"))
    with pytest.raises(PublisherBusy, match="unknown holds"):
        lease(bucket, this_process()).take()
    # Seconds are all the server tells of times.
    lease(bucket, this_process(), timedelta(seconds=-1))._taken()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"owner": 1}', b'{"owner": {}, "seconds": "x"}'])
def test_any_note_is_read(data: bytes) -> None:
    assert read_note(data, timedelta(7)) == (None, timedelta(7))


def test_a_lock_is_renewed_while_it_is_held(bucket: Bucket) -> None:
    held = lease(bucket, this_process(), timedelta(seconds=0.15))
    held.take()
    first = bucket.get(LOCK)
    time.sleep(1.2)
    assert first is not None
    later = bucket.get(LOCK)
    assert later is not None
    assert later.age < timedelta(seconds=1.2)
    held.check()
    held.release()


def test_a_publisher_that_lost_its_lock_stops(bucket: Bucket) -> None:
    held = lease(bucket, this_process(), timedelta(seconds=0.15))
    held.take()
    bucket.put(LOCK, b"another's", Headers("application/json", "no-store"))
    deadline = time.monotonic() + 10
    while not held._lost and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(PublisherBusy, match="another publisher took over"):
        held.check()
    held.release()
    found = bucket.get(LOCK)
    assert found is not None
    assert found.data == b"another's"


def test_a_publisher_that_slept_cannot_replace_a_newer_timestamp(store: S3Store) -> None:
    store.put("e/a/timestamp.json", b"1")
    sleeper = S3Store(store.bucket, "site")
    assert sleeper.read("e/a/timestamp.json") == b"1"
    store.put("e/a/timestamp.json", b"3")
    with pytest.raises(PublisherBusy, match="somebody else has written"):
        sleeper.put("e/a/timestamp.json", b"2")
    assert store.read("e/a/timestamp.json") == b"3"


def test_a_first_timestamp_is_not_written_over_another_first_one(store: S3Store) -> None:
    late = S3Store(store.bucket, "site")
    assert late.read("e/a/timestamp.json") is None
    store.put("e/a/timestamp.json", b"1")
    with pytest.raises(PublisherBusy):
        late.put("e/a/timestamp.json", b"2")


def test_a_write_that_was_sent_twice_is_not_somebody_else(store: S3Store) -> None:
    store.put("e/a/1.targets.json", b"same", new=True)
    store.put("e/a/1.targets.json", b"same", new=True)


def test_without_conditional_writes_there_is_no_lock(bucket: Bucket, s3: S3Server) -> None:
    store = S3Store(bucket, conditional=False)
    with store.exclusive(), store.exclusive():
        store.put("e/a/1.targets.json", b"1", new=True)
        store.put("e/a/1.targets.json", b"2", new=True)
    assert s3.keys(bucket.name) == {"e/a/1.targets.json"}


class Heedless:
    """A client of a server that ignores conditions."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def put_object(self, **given: object) -> object:
        given.pop("IfNoneMatch", None)
        given.pop("IfMatch", None)
        return self._client.put_object(**given)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)


def test_a_server_that_ignores_conditions_is_found_out(bucket: Bucket, s3: S3Server) -> None:
    heedless = Bucket(Heedless(s3.client), bucket.name)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="ignores conditional writes") as caught:
        lease(heedless, this_process()).take()
    assert "conditional_writes = false" in caught.value.hint
    assert s3.keys(bucket.name) == set()


@pytest.mark.parametrize(
    ("name", "kind", "cache"),
    [
        ("e/a/timestamp.json", "application/json", "max-age=60, must-revalidate"),
        ("e/a/7.targets.json", "application/json", "max-age=31536000, immutable"),
        (f"targets/{'a' * 64}.x.lz4", "application/octet-stream", "max-age=31536000, immutable"),
    ],
)
def test_objects_carry_headers_for_caches(
    store: S3Store, s3: S3Server, tmp_path: Path, name: str, kind: str, cache: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    if name.startswith("targets"):
        store.send(name, source, sha256(b"bytes").hexdigest())
    else:
        store.put(name, b"bytes")
    head = s3.client.head_object(Bucket=store.bucket.name, Key=f"site/{name}")
    assert head["ContentType"] == kind
    assert cache in head["CacheControl"]
    assert "ContentEncoding" not in head


def test_a_large_file_is_sent_in_parts(store: S3Store, s3: S3Server, tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(20 << 20)
        file.write(b"end")
    with source.open("rb") as file:
        digest = sha256(file.read()).hexdigest()
    store.send("targets/large", source, digest)
    head = s3.client.head_object(Bucket=store.bucket.name, Key="site/targets/large")
    assert head["ContentLength"] == source.stat().st_size
    assert "-" in head["ETag"]


def test_uploads_of_killed_runs_are_given_up(store: S3Store, s3: S3Server) -> None:
    name = store.bucket.name
    s3.client.create_multipart_upload(Bucket=name, Key="site/targets/half")
    s3.client.create_multipart_upload(Bucket=name, Key="elsewhere/half")
    store.prepare("targets")
    left = s3.client.list_multipart_uploads(Bucket=name).get("Uploads", [])
    assert [each["Key"] for each in left] == ["elsewhere/half"]


@pytest.mark.slow
def test_a_listing_of_many_pages_is_whole(s3: S3Server) -> None:
    store = S3Store(Bucket(s3.client, s3.bucket()))
    for number in range(1100):
        s3.client.put_object(Bucket=store.bucket.name, Key=f"targets/{number}", Body=b"")
    assert len(store.sizes("targets")) == 1100


def test_a_missing_bucket_is_told(s3: S3Server, tmp_path: Path) -> None:
    store = open_store(Place(to="s3://no-such-bucket", endpoint=s3.endpoint), tmp_path)
    with pytest.raises(ConfigError, match="no-such-bucket") as caught:
        store.read("timestamp.json")
    assert "Make the bucket" in caught.value.hint


@pytest.mark.usefixtures("s3")
def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    place = Place(to="s3://bucket", endpoint="http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="bucket"):
        open_store(place, tmp_path).read("timestamp.json")


def test_an_endpoint_that_is_no_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no http or https URL"):
        open_store(Place(to="s3://bucket", endpoint="minio:9000"), tmp_path)


def test_a_profile_that_does_not_exist_is_told(s3: S3Server, tmp_path: Path) -> None:
    place = Place(to="s3://bucket", endpoint=s3.endpoint, profile="nobody")
    with pytest.raises(ConfigError, match="nobody"):
        open_store(place, tmp_path)


def test_this_process_lives() -> None:
    assert not this_process().is_gone()


def test_a_process_of_another_boot_is_never_known_to_be_gone() -> None:
    assert not ELSEWHERE.is_gone()
