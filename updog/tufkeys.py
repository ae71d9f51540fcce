"""Who signed: thresholds counted by distinct public keys. PURE.

Key ids are only names. One key may stand under two of them, and then its signature must not count
twice; an id need not be a hash of its key (TAP 12), so an odd-looking id is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from tuf.api.metadata import Key, Role, Signature

from updog.errors import TrustError
from updog.tufjson import Envelope

_ED25519 = "ed25519"
_SCHEMES = {
    _ED25519: {_ED25519},
    "ecdsa": {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"},
    "rsa": {"rsassa-pss-sha256", "rsassa-pss-sha384", "rsassa-pss-sha512"},
}
# Old repositories name the key type like the scheme (formats 6.2).
_OLD_KEY_TYPES = dict.fromkeys(_SCHEMES["ecdsa"], "ecdsa")
_LEAST_RSA_BITS = 2048


def usable_keys(keys: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the keys of kinds we can check, old names of types replaced by today's.

    A key of another kind is left out, not refused: it can never count towards a threshold, and
    the file may carry enough others.

    Raises:
        KeyError, TypeError, AttributeError: a key is not an object with the members it must have.
    """
    found: dict[str, dict[str, Any]] = {}
    for keyid, key in keys.items():
        kind = _OLD_KEY_TYPES.get(key["keytype"], key["keytype"])
        if key["scheme"] in _SCHEMES.get(kind, ()) and isinstance(key["keyval"]["public"], str):
            found[keyid] = {**key, "keytype": kind}
    return found


def check_threshold(
    what: str, envelope: Envelope, role: Role, keys: Mapping[str, Key], *, of: str
) -> None:
    """Check that enough different keys of a role signed.

    Args:
        what: the file's name, for messages.
        envelope: the file.
        role: which key ids may sign, and how many must.
        keys: the keys by id.
        of: who says so, for messages: "root version 3" or the delegating role.

    Raises:
        TrustError: too few did.
    """
    signatures = {signature.keyid: signature for signature in envelope.signatures}
    listed = {keyid: keys[keyid] for keyid in role.keyids if keyid in keys}
    found = count_signers(listed, signatures, envelope.payload)
    if found < role.threshold:
        raise TrustError(
            f"{what} is signed by {found} of the {role.threshold} keys that {of} asks for"
        )


def count_signers(
    keys: Mapping[str, Key], signatures: Mapping[str, Signature], payload: bytes
) -> int:
    """Return how many different public keys made a valid signature over `payload`."""
    signers = set()
    for keyid in keys.keys() & signatures.keys():
        material = key_material(keys[keyid])
        if material is not None and _verifies(keys[keyid], signatures[keyid], payload):
            signers.add(material)
    return len(signers)


def key_set(role: Role, keys: Mapping[str, Key]) -> frozenset[bytes]:
    """Return the different public keys that may sign for a role, whatever their ids."""
    return frozenset(_materials(keys[keyid] for keyid in role.keyids if keyid in keys))


def key_material(key: Key) -> bytes | None:
    """Return what makes a public key the same key, however it was written; None for no key.

    The scheme takes no part: one RSA key used in two ways is still one holder of a secret.
    """
    public = key.keyval["public"]
    try:
        if key.keytype == _ED25519:
            return _ED25519.encode() + bytes.fromhex(public)
        loaded = load_pem_public_key(public.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(loaded, RSAPublicKey) and loaded.key_size < _LEAST_RSA_BITS:
        return None
    return loaded.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _materials(keys: Iterable[Key]) -> Iterable[bytes]:
    return (material for material in map(key_material, keys) if material is not None)


def _verifies(key: Key, signature: Signature, payload: bytes) -> bool:
    try:
        key.verify_signature(signature, payload)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True
