"""A repository published to a bucket, from the command line and by several machines."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from repo_tools.cli import main
from repo_tools.repository import Repository
from repo_tools.stores.bucket import Bucket
from repo_tools.stores.lease import Lease
from repo_tools.stores.place import FILE
from repo_tools.stores.process import this_process
from repo_tools.stores.s3 import LOCK
from tests.fakes.repositories import EDITION, add_version, allow_step, published_repository
from tests.fakes.s3server import S3Server
from updog import manifest
from updog.clock import SystemClock
from updog.fetch import Body, Fetcher, HttpFetcher
from updog.session import RepositoryUrls, Session
from updog.tufstore import MetadataStore

ROOT = Path(__file__).resolve().parents[4]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def now() -> datetime:
    return SystemClock().now()


@pytest.fixture
def bucket(s3: S3Server) -> str:
    name = s3.bucket()
    kept = {"Status": "Enabled"}
    s3.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=kept)  # type: ignore[arg-type]
    return name


@pytest.fixture
def repository(tmp_path: Path, now: datetime, s3: S3Server, bucket: str) -> Repository:
    made = published_repository(tmp_path / "repository", now)
    said = f'to = "s3://{bucket}/site"\nendpoint = "{s3.endpoint}"\n'
    (made.folder / FILE).write_text(said)
    return made


def writes(s3: S3Server, bucket: str) -> Counter[str]:
    """How often each object was written."""
    listed = s3.client.list_object_versions(Bucket=bucket).get("Versions", [])
    return Counter(each["Key"] for each in listed)


class AskedFor(HttpFetcher):
    """Keeps a log of the addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def get(self, url: str, *, max_bytes: int) -> bytes:
        self.urls.append(url)
        return super().get(url, max_bytes=max_bytes)

    def open(self, url: str, *, offset: int = 0) -> Body:
        self.urls.append(url)
        return super().open(url, offset=offset)


def client(
    repository: Repository, url: str, home: Path, now: datetime, fetcher: Fetcher
) -> Session:
    session = Session(
        RepositoryUrls(f"{url}/edge/x86_64", f"{url}/targets"),
        (repository.roots / "1.root.json").read_bytes(),
        MetadataStore(home),
        fetcher,
        now,
    )
    session.refresh()
    return session


def test_devices_read_it_without_listing_anything(
    repository: Repository, s3: S3Server, bucket: str, tmp_path: Path, now: datetime
) -> None:
    assert main(["publish", str(repository.folder)]) == 0
    url, asked = f"{s3.endpoint}/{bucket}/site", AskedFor()
    session = client(repository, url, tmp_path / "device", now, asked)
    (update,) = manifest.parse(session.read("manifest.json")).updates
    assert session.read(update.images.root)
    names = {each.removeprefix(f"{s3.endpoint}/{bucket}/") for each in asked.urls}
    assert names - s3.keys(bucket) == {"site/edge/x86_64/2.root.json"}


def test_unchanged_images_are_uploaded_once(
    repository: Repository, s3: S3Server, bucket: str
) -> None:
    assert main(["publish", str(repository.folder)]) == 0
    add_version(repository, "1.2.0", images="1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")
    assert main(["publish", str(repository.folder)]) == 0
    assert main(["refresh", str(repository.folder)]) == 0
    counted = writes(s3, bucket)
    again = {key for key, times in counted.items() if times > 1}
    assert again <= {"site/edge/x86_64/timestamp.json", f"site/{LOCK}"}
    assert counted["site/edge/x86_64/timestamp.json"] == 3


def test_the_lock_is_gone_afterwards(repository: Repository, s3: S3Server, bucket: str) -> None:
    assert main(["publish", str(repository.folder)]) == 0
    assert f"site/{LOCK}" not in s3.keys(bucket)


def test_a_rehearsal_leaves_the_bucket_as_it_is(
    repository: Repository, s3: S3Server, bucket: str, capsys: Capture
) -> None:
    assert main(["publish", str(repository.folder), "--dry-run"]) == 0
    assert "Would write edge/x86_64/timestamp.json" in capsys.readouterr().err
    assert writes(s3, bucket) == Counter()


def test_a_second_publisher_is_refused(repository: Repository, s3: S3Server, bucket: str) -> None:
    elsewhere = replace(this_process(), host="other", space="other boot")
    held = Lease(Bucket(s3.client, bucket), f"site/{LOCK}", owner=elsewhere)
    held.take()
    command = [sys.executable, "-m", "repo_tools.cli", "publish", str(repository.folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    held.release()
    assert done.returncode == 75
    assert "on other holds" in done.stderr
    assert s3.keys(bucket) == set()


def test_versions_go_on_from_those_of_another_machine(
    repository: Repository, tmp_path: Path, capsys: Capture
) -> None:
    other = tmp_path / "other machine"
    shutil.copytree(repository.folder, other)
    for folder in (repository.folder, other, repository.folder):
        assert main(["publish", str(folder)]) == 0
    assert capsys.readouterr().out.split("\n")[:3] == [f"{EDITION} {n}" for n in (2, 3, 4)]


def test_what_was_tampered_with_in_the_bucket_is_not_signed_again(
    repository: Repository, s3: S3Server, bucket: str
) -> None:
    assert main(["publish", str(repository.folder)]) == 0
    key = "site/edge/x86_64/2.targets.json"
    s3.client.put_object(Bucket=bucket, Key=key, Body=b"{}")
    assert main(["refresh", str(repository.folder)]) == 65


def test_a_monitor_looks_into_the_bucket(repository: Repository, capsys: Capture) -> None:
    assert main(["publish", str(repository.folder)]) == 0
    capsys.readouterr()
    assert main(["check-expirations", str(repository.folder)]) == 0
    assert capsys.readouterr().out.startswith("OK edge x86_64: timestamp 2 expires in")


def test_a_bucket_that_is_not_there_is_told(repository: Repository, capsys: Capture) -> None:
    assert main(["publish", str(repository.folder), "--to", "s3://no-such-bucket"]) == 78
    assert "no-such-bucket" in capsys.readouterr().err
