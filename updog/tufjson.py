"""TUF metadata as JSON: strict reading, canonical bytes, expiry times. PURE.

Signatures are checked over the canonical form of ``signed`` as it was received, never over an
object that was parsed and written again: a writer that puts fraction digits into ``expires``, or
members unknown to us, then verifies like any other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import Signature

from updog.errors import TrustError

_EXPIRES = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?Z", re.ASCII)
_MICROSECOND_DIGITS = 6
# What ill-shaped input makes a reader of dictionaries raise.
SHAPE_ERRORS = (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One metadata file, taken apart but not yet believed.

    Attributes:
        signed: the ``signed`` member; its reader may consume it.
        payload: the canonical bytes that the signatures are over.
        signatures: in file order; no two under one key id.
    """

    signed: dict[str, Any]
    payload: bytes
    signatures: tuple[Signature, ...]


def read_envelope(data: bytes, what: str) -> Envelope:
    """Take a metadata file apart.

    Args:
        data: the bytes as received.
        what: the file's name, for messages.

    Raises:
        TrustError: not JSON, a member twice, not an envelope, no canonical form, or two signatures
            under one key id (TUF specification 4.2.1: a key id is unique among the signatures).
    """
    try:
        document = json.loads(data, object_pairs_hook=_members, parse_constant=_no_constant)
        signed = document["signed"]
        signatures = tuple(
            Signature(_text(s["keyid"]), _text(s["sig"])) for s in _signed_by(document)
        )
        if not isinstance(signed, dict):
            _refuse("signed is not an object")
        payload = encode_canonical(signed).encode()  # type: ignore[union-attr]  # None only with an output function
    except FormatError as error:
        raise TrustError(f"{what}: the signed part has no canonical form") from error
    except SHAPE_ERRORS as error:
        raise malformed(what, error) from error
    if len({signature.keyid for signature in signatures}) != len(signatures):
        raise TrustError(f"{what}: two signatures under one key id")
    return Envelope(signed, payload, signatures)


def malformed(what: str, error: Exception) -> TrustError:
    """Return the error for metadata whose shape is wrong, saying where."""
    detail = f"no member {error}" if isinstance(error, KeyError) else str(error)
    return TrustError(f"{what} is malformed: {detail or type(error).__name__}")


def take_expires(signed: dict[str, Any]) -> datetime:
    """Return the expiry time and leave it in whole seconds, the one form tuf.api reads.

    The fraction counts (to the microsecond, the rest is cut off); only the copy that tuf.api is
    going to parse loses it.

    Raises:
        ValueError: not ``YYYY-MM-DDTHH:MM:SS[.fraction]Z``.
    """
    text = signed["expires"]
    found = _EXPIRES.fullmatch(text)
    if found is None:
        raise ValueError(f"expires is {text!r}, not a UTC time")
    whole, fraction = found.groups(default="")
    signed["expires"] = f"{whole}Z"
    microseconds = int(fraction[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0"))
    return datetime.fromisoformat(whole).replace(tzinfo=UTC) + timedelta(microseconds=microseconds)


def check_whole(value: object, where: str, *, least: int) -> int:
    """Return `value`, an integer of at least `least`; JSON's ``true`` and ``1.0`` are none.

    Raises:
        ValueError: it is not.
    """
    if type(value) is not int or value < least:
        raise ValueError(f"{where} is {value!r}, not a whole number >= {least}")
    return value


def check_file_facts(facts: Mapping[str, Any], where: str) -> None:
    """Check length and hashes of a file, where given.

    Raises:
        ValueError: a length or a hash is not what it should be.
    """
    if facts.get("length") is not None:
        check_whole(facts["length"], f"{where}: length", least=0)
    if facts.get("hashes") is not None:
        for algorithm, digest in facts["hashes"].items():
            bytes.fromhex(_text(digest))
            if not algorithm:
                raise ValueError(f"{where}: a hash without an algorithm")


def _signed_by(document: dict[str, Any]) -> list[Any]:
    signatures = document["signatures"]
    if not isinstance(signatures, list):
        _refuse("signatures is not an array")
    return signatures


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The last of two equal members would win silently, and another reader may take the first.
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} stands there twice")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        _refuse(f"{value!r} is not a string")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(why: str) -> NoReturn:
    raise ValueError(why)
