"""Keys that are no files: a PKCS#11 token, AWS KMS as moto plays it, the environment."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from repo_tools import keys
from repo_tools.cli import main
from repo_tools.keys import KeyType
from repo_tools.repository import Repository
from tests.fakes.ceremony import Apart, Ceremony
from tests.fakes.kms import environment, kms_key, serving_kms
from tests.fakes.repositories import add_version, allow_step
from tests.fakes.softhsm import PIN, SoftHsm
from updog.clock import SystemClock
from updog.trust import TrustedMetadata


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    return Ceremony(tmp_path)


@pytest.fixture
def apart(tmp_path: Path) -> Apart:
    return Apart(tmp_path)


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2-util is missing: run .ci/setup")
    made = SoftHsm(tmp_path / "hsm")
    made.start()
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UPDOG_HSM_PIN", PIN)
    return made


@pytest.fixture(scope="module")
def kms_server() -> Iterator[str]:
    with serving_kms() as url:
        yield url


@pytest.fixture
def kms(kms_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the service, which the environment names as an operator's would."""
    for name, value in environment(kms_server).items():
        monkeypatch.setenv(name, value)
    return kms_server


def hsm_key(hsm: SoftHsm, home: Path, label: str, keyid: int = 2) -> str:
    """Make a key in a new token; its URI."""
    keys.save(home / f"{label}.pem", keys.generate(KeyType.ECDSA))
    hsm.token(label)
    hsm.import_key(label, f"{keyid:02x}", home / f"{label}.pem")
    return f"hsm:{keyid}?label={label}"


def begun_with(ceremony: Ceremony, *root_keys: str, online: dict[str, str]) -> None:
    """A repository with these root keys, all of which sign, and these online keys."""
    ceremony.root("init")
    ceremony.root("add-key", "root", *root_keys)
    ceremony.root("threshold", "root", str(len(root_keys)))
    for role, key in online.items():
        ceremony.root("add-key", role, key)
    for key in root_keys:
        ceremony.root("sign", "--key", key, "--yes")
    ceremony.accept()


def online_keys(ceremony: Ceremony) -> dict[str, str]:
    return {
        role: made(ceremony.online / f"{role}.pem") for role in ("targets", "snapshot", "timestamp")
    }


def made(path: Path) -> str:
    assert main(["key", "new", str(path)]) == 0
    return str(path)


def published(ceremony: Ceremony) -> None:
    """Publish and refresh with the keys that the folder names; our client reads all of it."""
    now = SystemClock().now()
    repository = Repository.open(ceremony.repository)
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    ceremony.do("publish", ceremony.repository)
    ceremony.do("refresh", ceremony.repository)
    folder = repository.published / "edge" / "x86_64"
    client = TrustedMetadata((repository.roots / "1.root.json").read_bytes(), now)
    client.end_roots()
    client.add_timestamp((folder / "timestamp.json").read_bytes())
    client.add_snapshot((folder / "2.snapshot.json").read_bytes())
    client.add_targets("targets", "root", (folder / "2.targets.json").read_bytes())


def test_root_keys_in_two_tokens_and_one_online_key_in_a_third(apart: Apart, hsm: SoftHsm) -> None:
    alice, bob = (hsm_key(hsm, apart.home, name) for name in ("alice", "bob"))
    online = online_keys(apart)
    online["targets"] = hsm_key(hsm, apart.home, "publisher", 7)
    begun_with(apart, alice, bob, online=online)
    (apart.repository / "keys.toml").write_text(f'targets = ["{online["targets"]}"]\n')
    published(apart)


def test_a_token_is_not_unlocked_by_another_pin(
    apart: Apart,
    hsm: SoftHsm,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    key = hsm_key(hsm, apart.home, "alice")
    apart.root("init")
    for role in ("root", "targets", "snapshot", "timestamp"):
        apart.root("add-key", role, key)
    monkeypatch.setenv("UPDOG_HSM_PIN", "9876")
    assert apart.run("root", "sign", apart.draft, "--key", key, "--yes") == 78
    said = capfd.readouterr().err
    assert "does not sign: PinIncorrect" in said
    assert "9876" not in said


def test_a_token_that_is_not_there_is_named(
    apart: Apart, hsm: SoftHsm, capfd: pytest.CaptureFixture[str]
) -> None:
    hsm.token("alice")
    apart.root("init")
    assert apart.run("root", "add-key", apart.draft, "root", "hsm:2?label=bob") == 78
    assert "No PKCS#11 token found for label bob" in capfd.readouterr().err


def test_the_library_of_the_token_is_asked_for(
    ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYKCS11LIB", raising=False)
    ceremony.root("init")
    assert ceremony.run("root", "add-key", ceremony.draft, "root", "hsm:") == 78
    assert "Set PYKCS11LIB to the PKCS#11 library" in capsys.readouterr().err


@pytest.mark.usefixtures("kms")
@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "RSA_3072"])
def test_keys_in_aws_kms_sign_roots_and_publish(ceremony: Ceremony, spec: str) -> None:
    root_key = kms_key(spec)
    online = online_keys(ceremony)
    online["timestamp"] = kms_key(spec)
    online["snapshot"] = kms_key(spec)
    begun_with(ceremony, root_key, online=online)
    listed = [f'{role} = ["{online[role]}"]\n' for role in ("timestamp", "snapshot")]
    (ceremony.repository / "keys.toml").write_text("".join(listed))
    published(ceremony)


@pytest.mark.usefixtures("kms")
def test_retired_key_in_aws_kms_signs_once_more(ceremony: Ceremony) -> None:
    old, new = kms_key("ECC_NIST_P256"), kms_key("ECC_NIST_P256")
    root_key = kms_key("ECC_NIST_P256")
    begun_with(ceremony, root_key, online={**online_keys(ceremony), "timestamp": old})
    config = ceremony.repository / "keys.toml"
    config.write_text(f'timestamp = ["{old}"]\n')
    published(ceremony)
    ceremony.rotate()
    ceremony.root("remove-key", "timestamp", old)
    ceremony.root("add-key", "timestamp", new)
    ceremony.root("sign", "--key", root_key, "--yes", *ceremony.last())
    ceremony.accept()
    config.write_text(f'timestamp = ["{new}"]\n[retired]\ntimestamp = ["{old}"]\n')
    ceremony.do("refresh", ceremony.repository)
    folder = ceremony.repository / "published/edge/x86_64"
    shipped = (folder / "1.root.json").read_bytes()
    for roots in ([], ["2.root.json"]):
        client = TrustedMetadata(shipped, SystemClock().now())
        for name in roots:
            client.add_root((folder / name).read_bytes())
        client.end_roots()
        client.add_timestamp((folder / "timestamp.json").read_bytes())


@pytest.mark.usefixtures("kms")
def test_a_kind_of_key_that_some_clients_cannot_check_is_refused(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.root("init")
    key = kms_key("ECC_NIST_P384")
    assert ceremony.run("root", "add-key", ceremony.draft, "root", key) == 65
    assert "not one that every client checks" in capsys.readouterr().err


@pytest.mark.usefixtures("kms")
def test_a_key_that_the_service_does_not_have_is_named(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.root("init")
    assert ceremony.run("root", "add-key", ceremony.draft, "root", "awskms:alias/none") == 78
    assert "The key awskms:alias/none cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "gcp"),
        ("azurekms://vault.vault.azure.net/keys/key/1", "azure"),
    ],
)
def test_the_package_of_a_cloud_that_is_not_installed_is_named(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], uri: str, extra: str
) -> None:
    ceremony.root("init")
    assert ceremony.run("root", "add-key", ceremony.draft, "root", uri) == 78
    assert f"updog-agent[{extra}]" in capsys.readouterr().err


def test_online_keys_in_the_environment(
    ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch
) -> None:
    online = online_keys(ceremony)
    begun_with(ceremony, str(ceremony.person("alice").with_suffix("") / "alice.pem"), online=online)
    for role, path in online.items():
        monkeypatch.setenv(f"KEY_{role.upper()}", Path(path).read_text())
        Path(path).unlink()
    listed = [f'{role} = ["envvar:KEY_{role.upper()}"]\n' for role in online]
    (ceremony.repository / "keys.toml").write_text("".join(listed))
    published(ceremony)


def test_a_p384_key_in_a_file_is_refused_too(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    pem = generate_private_key(SECP384R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (ceremony.home / "p384.pem").write_bytes(pem)
    ceremony.root("init")
    assert ceremony.run("root", "add-key", ceremony.draft, "root", ceremony.home / "p384.pem") == 65
    assert "ECDSA on P-256" in capsys.readouterr().err
