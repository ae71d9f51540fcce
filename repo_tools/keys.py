"""Private keys: made once, kept as PEM files only their owner can read, matched to the root's keys.

A key id is the SHA-256 of the canonical JSON of the public key object (formats 6.2). It is worked
out once, when a key is made. Later the private key is matched to the key object that stands in the
root and signs under that object's id: PEM text can differ in line ends and would change the id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from repo_tools import storage
from repo_tools.errors import AlreadyThere, KeyFileError, UnknownKey
from updog.tufkeys import key_material

RSA_BITS = 3072
Rehearse: TypeAlias = Callable[[str], None]
"""Told what would be written, a line each, by a run that only tries."""


class KeyType(StrEnum):
    """The kinds of key that every client of such repositories can check."""

    ED25519 = "ed25519"
    ECDSA = "ecdsa"
    RSA = "rsa"


def generate(key_type: KeyType, *, rsa_bits: int = RSA_BITS) -> CryptoSigner:
    """Make a new key: ed25519, ECDSA on P-256 with SHA-256, or RSA-PSS with SHA-256.

    Args:
        key_type: which of them.
        rsa_bits: size of an RSA key; clients take 2048 to 8192.
    """
    if key_type is KeyType.ED25519:
        return CryptoSigner.generate_ed25519()
    if key_type is KeyType.ECDSA:
        return CryptoSigner.generate_ecdsa()
    return CryptoSigner.generate_rsa(size=rsa_bits)


def save(
    path: Path,
    signer: CryptoSigner,
    *,
    passphrase: bytes | None = None,
    rehearse: Rehearse | None = None,
) -> None:
    """Write a private key as PKCS#8 PEM, mode 0600, encrypted if there is a passphrase.

    Args:
        path: where; its folder must exist.
        signer: the key.
        passphrase: what encrypts it.
        rehearse: told what would be written, if nothing shall be.

    Raises:
        AlreadyThere: ``path`` exists; a lost key cannot be brought back, so none is overwritten.
    """
    if path.exists():
        raise AlreadyThere(f"The key file {path} exists and is not overwritten.")
    if rehearse is not None:
        rehearse(f"Would write {path} (mode {storage.PRIVATE:04o})")
        return
    pem = signer.private_bytes
    if passphrase is not None:
        lock = BestAvailableEncryption(passphrase)
        key = load_pem_private_key(pem, None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    storage.write(path, pem, mode=storage.PRIVATE)


def load(
    path: Path, known: Iterable[Key], *, passphrase: Callable[[], bytes] | None = None
) -> CryptoSigner:
    """Read a private key and tie it to the one of ``known`` that is its public half.

    Args:
        path: PEM file, PKCS#8.
        known: the keys that the root gives to the role which is about to sign.
        passphrase: asked only when the file is encrypted.

    Raises:
        KeyFileError: no such file, not a key, or none of ``known`` belongs to it.
    """
    private = unlocked(read_file(path), f"The key file {path}", passphrase)
    return CryptoSigner(private, match(of_private(private), known, str(path)))


def read_file(path: Path) -> bytes:
    """The bytes of a key file.

    Raises:
        KeyFileError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise KeyFileError(
            f"The key file {path} is missing.",
            hint="Put the key back, or name its folder by --keys.",
        ) from error
    except OSError as error:
        raise KeyFileError(f"The key file {path} cannot be read: {error}.") from error


def unlocked(pem: bytes, what: str, passphrase: Callable[[], bytes] | None) -> PrivateKeyTypes:
    """A private key out of its PEM.

    Args:
        pem: the text.
        what: begins the message of an error.
        passphrase: asked only when the key is encrypted.

    Raises:
        KeyFileError: not a key, or another passphrase.
    """
    secret = passphrase() if passphrase and b"ENCRYPTED" in pem else None
    try:
        return load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{what} cannot be read: {error}.") from error


def of_private(private: PrivateKeyTypes) -> SSlibKey:
    """The public half of a private key, under the id that clients compute."""
    return SSlibKey.from_crypto(private.public_key())


def match(public: Key, known: Iterable[Key], where: str) -> SSlibKey:
    """The one of ``known`` that is the same key, whatever its id.

    Raises:
        UnknownKey: none is.
    """
    material = key_material(public)
    for key in known:
        if material is not None and key_material(key) == material:
            return cast("SSlibKey", key)
    raise UnknownKey(
        f"The key in {where} is not one that the current root allows here.",
        hint="Use the key made together with this root, or rotate the root.",
    )
