"""Private keys: made once, kept as PEM files only their owner can read, matched to the root's keys.

A key id is the SHA-256 of the canonical JSON of the public key object (formats 6.2). It is worked
out once, when a key is made. Later the private key is matched to the key object that stands in the
root and signs under that object's id: PEM text can differ in line ends and would change the id.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, Key, SSlibKey

from repo_tools import storage
from repo_tools.errors import AlreadyThere, KeyFileError

RSA_BITS = 3072


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


def save(path: Path, signer: CryptoSigner) -> None:
    """Write a private key as unencrypted PKCS#8 PEM, mode 0600.

    Raises:
        AlreadyThere: ``path`` exists; a lost key cannot be brought back, so none is overwritten.
    """
    if path.exists():
        raise AlreadyThere(f"The key file {path} exists and is not overwritten.")
    storage.write(path, signer.private_bytes, mode=storage.PRIVATE)


def load(path: Path, known: Iterable[Key]) -> CryptoSigner:
    """Read a private key and tie it to the one of ``known`` that is its public half.

    Args:
        path: PEM file, PKCS#8, not encrypted.
        known: the keys that the root gives to the role which is about to sign.

    Raises:
        KeyFileError: no such file, not a key, or none of ``known`` belongs to it.
    """
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise KeyFileError(
            f"The key file {path} is missing.",
            hint="Put the key back, or name its folder by --keys.",
        ) from error
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"The key file {path} cannot be read: {error}.") from error
    wanted = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for key in known:
        if _der(key) == wanted:
            return CryptoSigner(private, cast("SSlibKey", key))
    raise KeyFileError(
        f"The key in {path} is not one that the current root allows here.",
        hint="Use the key made together with this root, or rotate the root.",
    )


def _der(key: Key) -> bytes | None:
    """The public key in one comparable form; None for kinds we do not sign with."""
    text = str(key.keyval.get("public", ""))
    try:
        if key.keytype == KeyType.ED25519:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
            return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return load_pem_public_key(text.encode()).public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
    except (ValueError, UnsupportedAlgorithm):
        return None
