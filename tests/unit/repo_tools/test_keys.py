from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner, SSlibKey

from repo_tools import keys
from repo_tools.errors import AlreadyThere, KeyFileError
from repo_tools.keys import KeyType

SCHEMES = {
    KeyType.ED25519: "ed25519",
    KeyType.ECDSA: "ecdsa-sha2-nistp256",
    KeyType.RSA: "rsassa-pss-sha256",
}


def made(key_type: KeyType) -> CryptoSigner:
    return keys.generate(key_type, rsa_bits=2048)


@pytest.mark.parametrize("key_type", list(KeyType))
def test_scheme_is_one_that_every_client_checks(key_type: KeyType) -> None:
    key = made(key_type).public_key
    assert (key.keytype, key.scheme) == (key_type.value, SCHEMES[key_type])


@pytest.mark.parametrize("key_type", list(KeyType))
def test_key_id_is_the_hash_of_the_canonical_key(key_type: KeyType) -> None:
    key = made(key_type).public_key
    canonical = encode_canonical(key.to_dict())
    assert canonical is not None
    assert key.keyid == sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize("key_type", list(KeyType))
def test_saved_key_signs_under_the_id_it_had(tmp_path: Path, key_type: KeyType) -> None:
    signer = made(key_type)
    keys.save(tmp_path / "k.pem", signer)
    loaded = keys.load(tmp_path / "k.pem", [signer.public_key])
    signature = loaded.sign(b"payload")
    assert signature.keyid == signer.public_key.keyid
    signer.public_key.verify_signature(signature, b"payload")


def test_saved_key_is_for_its_owner_only(tmp_path: Path) -> None:
    keys.save(tmp_path / "k.pem", made(KeyType.ED25519))
    assert stat.S_IMODE((tmp_path / "k.pem").stat().st_mode) == 0o600


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    keys.save(path, made(KeyType.ED25519))
    before = path.read_bytes()
    with pytest.raises(AlreadyThere):
        keys.save(path, made(KeyType.ED25519))
    assert path.read_bytes() == before


def test_right_key_is_found_among_several(tmp_path: Path) -> None:
    signers = [made(KeyType.ECDSA) for _ in range(3)]
    keys.save(tmp_path / "k.pem", signers[1])
    known = [signer.public_key for signer in signers]
    assert keys.load(tmp_path / "k.pem", known).public_key is known[1]


@pytest.mark.parametrize("key_type", [KeyType.ECDSA, KeyType.RSA])
def test_other_line_ends_in_the_root_do_not_hide_a_key(tmp_path: Path, key_type: KeyType) -> None:
    signer = made(key_type)
    keys.save(tmp_path / "k.pem", signer)
    public = signer.public_key
    trimmed = SSlibKey(
        "1" * 64, public.keytype, public.scheme, {"public": public.keyval["public"].strip()}
    )
    assert keys.load(tmp_path / "k.pem", [trimmed]).sign(b"x").keyid == "1" * 64


def test_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"gone\.pem is missing"):
        keys.load(tmp_path / "gone.pem", [])


def test_unknown_key_is_refused(tmp_path: Path) -> None:
    keys.save(tmp_path / "k.pem", made(KeyType.ED25519))
    with pytest.raises(KeyFileError, match="current root"):
        keys.load(tmp_path / "k.pem", [made(KeyType.ED25519).public_key])


def test_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.pem").write_bytes(b"not a key\n")
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load(tmp_path / "k.pem", [])


def test_encrypted_key_is_refused_in_words(tmp_path: Path) -> None:
    private = load_pem_private_key(made(KeyType.ED25519).private_bytes, None)
    locked = private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    (tmp_path / "k.pem").write_bytes(locked)
    with pytest.raises(KeyFileError, match="cannot be read"):
        keys.load(tmp_path / "k.pem", [])


def test_damaged_keys_of_the_root_are_passed_over(tmp_path: Path) -> None:
    signer = made(KeyType.ED25519)
    keys.save(tmp_path / "k.pem", signer)
    odd = SSlibKey("2" * 64, "ed25519", "ed25519", {"public": "zz"})
    assert keys.load(tmp_path / "k.pem", [odd, signer.public_key])
