"""Other people's TUF: tuf-js reads what we publish, we read what python-tuf and sigstore made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.repository import Repository

from repo_tools.repository import Repository as OurRepository
from repo_tools.serve import serving as http_serving
from tests.conformance import client
from tests.fakes.ceremony import Ceremony
from tests.fakes.httpserver import Exchange, serving
from tests.fakes.repositories import (
    add_version,
    allow_step,
    image_bytes,
    published_repository,
)
from updog.tufroot import self_signed_root

TUF_JS = "tuf-js@5.0.1"
SIGSTORE = "sigstore==4.5.1"
TOP = ("root", "timestamp", "snapshot", "targets")

JAVASCRIPT = """
const { Updater } = require("tuf-js");
const [metadataBaseUrl, targetBaseUrl, home, ...names] = process.argv.slice(1);
(async () => {
  const dirs = { metadataDir: home, targetDir: home };
  const updater = new Updater({ ...dirs, metadataBaseUrl, targetBaseUrl });
  await updater.refresh();
  for (const name of names) {
    const info = await updater.getTargetInfo(name);
    console.log(await updater.downloadTarget(info));
  }
})();
"""


def tool(name: str) -> str | None:
    """A program of Node.js: the one beside this Python, from the lock file, or any other."""
    return shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name)


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    npm, node = tool("npm"), tool("node")
    if npm is None or node is None:
        pytest.skip("node or npm is missing: run .ci/setup, whose lock file brings both")
    ping = [npm, "ping", "--fetch-retries=0", "--fetch-timeout=20000"]
    if subprocess.run(ping, capture_output=True, check=False).returncode:
        pytest.skip("npm reaches no registry to get tuf-js from: see npm config get registry")
    home = tmp_path_factory.mktemp("node")
    install = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", TUF_JS]
    subprocess.run(install, check=True, capture_output=True)
    return home / "node_modules"


@dataclass(frozen=True)
class JavaScript:
    """tuf-js as a client of the edition edge/x86_64, with a memory of its own."""

    home: Path
    node_modules: Path
    published: Path

    def download(self, *names: str) -> list[bytes]:
        """What it gets for these targets, having walked all new metadata."""
        with serving(self._answer) as server:
            places = [f"{server.base}/edge/x86_64", f"{server.base}/targets", str(self.home)]
            done = subprocess.run(
                [tool("node") or "node", "-e", JAVASCRIPT, *places, *names],
                env={"NODE_PATH": str(self.node_modules), "PATH": "/usr/bin:/usr/local/bin"},
                capture_output=True,
                text=True,
                check=False,
            )
        assert done.returncode == 0, done.stderr
        return [Path(line).read_bytes() for line in done.stdout.splitlines()]

    def _answer(self, exchange: Exchange) -> None:
        file = self.published / exchange.path.lstrip("/")
        exchange.reply(200, file.read_bytes()) if file.is_file() else exchange.reply(404)


def javascript(home: Path, node_modules: Path, repository: Path) -> JavaScript:
    """A client that trusts the repository's first root."""
    home.mkdir()
    shutil.copyfile(repository / "root/1.root.json", home / "root.json")
    return JavaScript(home, node_modules, repository / "published")


@pytest.mark.slow
def test_tuf_js_reads_what_we_publish(tmp_path: Path, node_modules: Path) -> None:
    repository = published_repository(tmp_path / "repository", datetime.now(UTC))
    client = javascript(tmp_path / "js", node_modules, repository.folder)
    (manifest,) = client.download("manifest.json")
    assert json.loads(manifest)["updates"]


@pytest.mark.slow
@pytest.mark.parametrize("seen_before", [True, False], ids=["step by step", "all at once"])
def test_tuf_js_and_updog_follow_rotations_of_root_and_online_keys(
    tmp_path: Path, node_modules: Path, *, seen_before: bool
) -> None:
    ceremony = Ceremony(tmp_path)
    ceremony.begin()
    repository = OurRepository.open(ceremony.repository)
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    ceremony.do("publish", repository.folder)
    client = javascript(tmp_path / "js", node_modules, repository.folder)
    ours = OurClient(tmp_path / "ours", repository.published)
    wanted = ("manifest.json", "os-1.1.0-root.ext4.lz4")
    if seen_before:
        assert client.download(*wanted) == ours.download(*wanted)
    rotate_a_root_key(ceremony)
    ceremony.do("refresh", repository.folder)
    if seen_before:
        assert client.download(*wanted) == ours.download(*wanted)
    rotate_an_online_key(ceremony)
    ceremony.do("publish", repository.folder)
    manifest, image = client.download(*wanted)
    assert ours.download(*wanted) == [manifest, image]
    assert json.loads(manifest)["updates"][0]["version"] == "1.1.0"
    assert lz4.frame.decompress(image) == image_bytes("os-1.1.0-root.ext4")


def rotate_a_root_key(ceremony: Ceremony) -> None:
    """Bob leaves and Dave comes: signed by two of the old keys and by Dave."""
    ceremony.rotate()
    ceremony.root("remove-key", "root", ceremony.public("bob"))
    ceremony.root("add-key", "root", ceremony.person("dave"))
    ceremony.sign("alice", "carol", "dave")
    ceremony.accept()


def rotate_an_online_key(ceremony: Ceremony) -> None:
    """The timestamp key is replaced."""
    ceremony.rotate()
    ceremony.replace_online("timestamp")
    ceremony.sign("carol", "dave")
    ceremony.accept()


@dataclass(frozen=True)
class OurClient:
    """Our client on the command line of the conformance suites, over HTTP."""

    home: Path
    published: Path

    def download(self, *names: str) -> list[bytes]:
        metadata = ["--metadata-dir", str(self.home / "metadata")]
        if not self.home.exists():
            self.home.mkdir()
            first = self.published.parent / "root/1.root.json"
            assert client.main([*metadata, "init", str(first)]) == 0
        out = self.home / f"out-{len(list(self.home.iterdir()))}"
        wanted = [word for name in names for word in ("--target-name", name)]
        with http_serving(self.published) as url:
            urls = ["--metadata-url", f"{url}/edge/x86_64", "--target-base-url", f"{url}/targets"]
            assert (
                client.main([*metadata, *urls, "--target-dir", str(out), *wanted, "download"]) == 0
            )
        return [next(out.glob(f"*{name}")).read_bytes() for name in names]


@pytest.mark.slow
def test_the_roots_that_sigstore_ships_are_roots_to_us(tmp_path: Path) -> None:
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path)]
    subprocess.run([*fetch, SIGSTORE], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        roots = [archive.read(name) for name in archive.namelist() if name.endswith("/root.json")]
    assert len(roots) == 2
    assert all(self_signed_root(data).signed.version > 10 for data in roots)


@dataclass
class Theirs(Repository):
    """A repository kept by python-tuf's own abstraction, in memory."""

    files: dict[str, bytes] = field(default_factory=dict)
    current: dict[str, Metadata[Any]] = field(default_factory=dict)
    keys: dict[str, CryptoSigner] = field(
        default_factory=lambda: {role: CryptoSigner.generate_ecdsa() for role in TOP}
    )
    listed: dict[str, MetaFile] = field(default_factory=dict)
    last: MetaFile = field(default_factory=lambda: MetaFile(1))

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        return self.listed

    @property
    def snapshot_info(self) -> MetaFile:
        return self.last

    def open(self, role: str) -> Metadata[Any]:
        if role in self.current:
            return deepcopy(self.current[role])
        kinds: Mapping[str, type[Any]] = {
            "root": Root,
            "timestamp": Timestamp,
            "snapshot": Snapshot,
        }
        made: Metadata[Any] = Metadata(kinds.get(role, Targets)())
        made.signed.version = 0
        return made

    def close(self, role: str, md: Metadata[Any]) -> None:
        md.signed.version += 1
        md.signed.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
        md.sign(self.keys[role])
        version = "" if role == "timestamp" else f"{md.signed.version}."
        self.files[f"metadata/{version}{role}.json"] = md.to_bytes()
        self.current[role] = md
        if role == "snapshot":
            self.last.version = md.signed.version
        elif role not in TOP or role == "targets":
            self.listed[f"{role}.json"] = MetaFile(md.signed.version)

    def publish(self, content: Mapping[str, bytes]) -> None:
        """List files in the role that `add_role` made for them, or at the top."""
        roles = [role for role in self.keys if role not in TOP]
        for name, data in content.items():
            file = TargetFile.from_data(name, data)
            (prefixed,) = file.get_prefixed_paths()
            self.files[f"targets/{prefixed}"] = data
            top = self.targets("targets")
            held = top.delegations.get_roles_for_target(name) if top.delegations else iter(())
            role = next((role for role, _ in held), "targets")
            with self.edit_targets(role) as targets:
                targets.targets[name] = file
        for role in roles:
            if role not in self.current:
                with self.edit_targets(role):
                    pass
        self.do_snapshot(force=True)
        self.do_timestamp(force=True)


@pytest.fixture
def theirs() -> Theirs:
    made = Theirs()
    with made.edit_root() as root:
        for role in TOP:
            root.add_key(made.keys[role].public_key, role)
    with made.edit_targets():
        pass
    return made


def read_by_us(repository: Theirs, home: Path, *names: str) -> set[bytes]:
    """What our client downloads from it, over HTTP."""

    def answer(exchange: Exchange) -> None:
        data = repository.files.get(exchange.path.lstrip("/"))
        exchange.reply(404) if data is None else exchange.reply(200, data)

    home.joinpath("root").write_bytes(repository.files["metadata/1.root.json"])
    metadata = ["--metadata-dir", str(home / "metadata")]
    assert client.main([*metadata, "init", str(home / "root")]) == 0
    wanted = [word for name in names for word in ("--target-name", name)]
    with serving(answer) as server:
        urls = ["--metadata-url", f"{server.base}/metadata"]
        urls += ["--target-base-url", f"{server.base}/targets", "--target-dir", str(home / "out")]
        assert client.main([*metadata, *urls, *wanted, "download"]) == 0
    return {path.read_bytes() for path in home.joinpath("out").iterdir()}


CONTENT = {f"file-{number}": b"%d" % number for number in range(6)}


def test_a_plain_repository_of_python_tuf(theirs: Theirs, tmp_path: Path) -> None:
    theirs.publish(CONTENT)
    assert read_by_us(theirs, tmp_path, *CONTENT) == set(CONTENT.values())


def test_a_rotated_root_of_python_tuf(theirs: Theirs, tmp_path: Path) -> None:
    theirs.publish(CONTENT)
    old = theirs.keys["timestamp"]
    theirs.keys["timestamp"] = CryptoSigner.generate_rsa()
    with theirs.edit_root() as root:
        root.revoke_key(old.public_key.keyid, "timestamp")
        root.add_key(theirs.keys["timestamp"].public_key, "timestamp")
    theirs.publish(CONTENT)
    assert read_by_us(theirs, tmp_path, *CONTENT) == set(CONTENT.values())


def test_hashed_bins_of_python_tuf(theirs: Theirs, tmp_path: Path) -> None:
    signer = CryptoSigner.generate_ed25519()
    digits = "0123456789abcdef"
    bins = {
        f"bin-{digit}": DelegatedRole(f"bin-{digit}", [], 1, False, None, [digit])  # noqa: FBT003
        for digit in digits
    }
    with theirs.edit_targets() as targets:
        targets.delegations = Delegations({}, bins)
        for name in bins:
            theirs.keys[name] = signer
            targets.add_key(signer.public_key, name)
    theirs.publish(CONTENT)
    assert read_by_us(theirs, tmp_path, *CONTENT) == set(CONTENT.values())


def test_succinct_bins_of_python_tuf(theirs: Theirs, tmp_path: Path) -> None:
    signer = CryptoSigner.generate_ed25519()
    succinct = SuccinctRoles([], 1, 3, "bin")
    with theirs.edit_targets() as targets:
        targets.delegations = Delegations({}, succinct_roles=succinct)
        targets.add_key(signer.public_key)
    theirs.keys.update(dict.fromkeys(succinct.get_roles(), signer))
    theirs.publish(CONTENT)
    assert read_by_us(theirs, tmp_path, *CONTENT) == set(CONTENT.values())
