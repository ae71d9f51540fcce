"""docs/root-ceremony.md, word by word, and what our client makes of the outcome."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repo_tools import root
from tests.fakes.pages import ROOT, Machines, blocks
from tests.fakes.repositories import make_images
from updog.clock import SystemClock
from updog.trust import RootStep, TrustedMetadata

pytestmark = pytest.mark.slow(seconds=70)

PAGE = ROOT / "docs" / "root-ceremony.md"
RELEASE = 'version = "1.1.0"\n[migrations]\n"(1.0.0, 1.1.0)" = []\n'


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the machines, after everything on the page."""
    home = tmp_path_factory.mktemp("ceremony")
    publisher = home / "publisher"
    images = make_images(home / "images", "1.1.0")
    publisher.mkdir()
    for image, name in zip(images, ("boot.ext4", "root.ext4", "root.verity"), strict=True):
        shutil.copy(image, publisher / name)
    (publisher / "Release.toml").write_text(RELEASE)
    machines = Machines(home, {"UPDOG_PASSPHRASE": "correct horse"})
    for block in blocks(PAGE):
        machines.run(block)
    return home


def test_the_page_makes_four_roots(played: Path) -> None:
    assert len(root.history(played / "publisher/repo/root")) == 4


def test_a_client_with_the_first_root_reads_what_is_published_at_the_end(played: Path) -> None:
    folder = played / "publisher/repo/published/edge/x86_64"
    client = TrustedMetadata((folder / "1.root.json").read_bytes(), SystemClock().now())
    steps = [client.add_root((folder / f"{n}.root.json").read_bytes()) for n in (2, 3, 4)]
    assert steps == [RootStep.ADDED, RootStep.ADDED, RootStep.ROTATED]
    client.end_roots()
    client.add_timestamp((folder / "timestamp.json").read_bytes())
    version = client.wanted_snapshot().version
    client.add_snapshot((folder / f"{version}.snapshot.json").read_bytes())
    client.add_targets("targets", "root", (folder / f"{version}.targets.json").read_bytes())


def test_the_key_that_was_lost_counts_no_more(played: Path) -> None:
    roots = root.history(played / "publisher/repo/root")
    before, after = (set(one.root.roles["root"].keyids) for one in (roots[1], roots[2]))
    assert (len(before - after), len(after - before)) == (1, 1)


def test_no_online_key_outlives_the_theft(played: Path) -> None:
    third, fourth = (one.root for one in root.history(played / "publisher/repo/root")[-2:])
    for role in ("targets", "snapshot", "timestamp"):
        assert not set(third.roles[role].keyids) & set(fourth.roles[role].keyids)


def test_root_keys_are_encrypted_and_never_on_the_publishers_machine(played: Path) -> None:
    for name in ("alice", "bob", "carol", "dave"):
        assert b"ENCRYPTED" in (played / name / f"{name}.pem").read_bytes()
        assert not list((played / "publisher").rglob(f"{name}.pem"))
