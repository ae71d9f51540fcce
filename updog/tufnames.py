"""Names of TUF files in URLs and in directories. PURE.

A role or a target can be called anything that a signer likes, ``../../etc/passwd`` included. No
name becomes a path or a URL except through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from updog.errors import TrustError

# The longest file name on Linux file systems, in bytes.
_NAME_MAX = 255
# Room for "12345678901234567890." before a name and for a temporary name while it is written.
_ROLE_NAME_MAX = 200
_HASH_ORDER = ("sha256", "sha512")


def role_file(role: str, version: int | None = None) -> str:
    """Return the file name of a role, percent-encoded: ``7.snapshot.json``, ``a%2Fb.json``.

    Args:
        role: the role's name as signed.
        version: put in front where versioned names are used; None for the plain name.

    Raises:
        TrustError: the name is too long for a file, or has no UTF-8 form.
    """
    name = _quote(role, safe="")
    if len(name) > _ROLE_NAME_MAX:
        raise TrustError(f"the role name {role[:40]!r}... is too long for a file name")
    return f"{name}.json" if version is None else f"{version}.{name}.json"


def check_target_name(name: str) -> str:
    """Return `name` if it stays inside the directory it is used in.

    Raises:
        TrustError: it is empty, absolute, steps upwards, holds a NUL or a backslash, or has a part
            that no file system takes.
    """
    parts = name.split("/")
    unsafe = any(part in {"", ".", ".."} for part in parts) or "\0" in name or "\\" in name
    if unsafe or any(len(_encode(part)) > _NAME_MAX for part in parts):
        raise TrustError(f"the target name {name[:80]!r} is not safe to use as a path")
    return name


def check_flat_name(name: str) -> str:
    """Return `name` if it is a plain file name, with room for a hash before it.

    Raises:
        TrustError: it is not.
    """
    if "/" in check_target_name(name):
        raise TrustError(f"the target name {name!r} has a directory; only plain names are cached")
    return name


def target_file(name: str, digests: Mapping[str, str], *, consistent: bool) -> str:
    """Return the name under which a repository keeps a target: ``dir/HASH.name`` or ``dir/name``.

    Args:
        name: the target's name as signed.
        digests: its hashes by algorithm; SHA-256 is preferred.
        consistent: whether the repository uses consistent snapshots.

    Raises:
        TrustError: the name is not safe to use as a path.
    """
    directory, slash, last = check_target_name(name).rpartition("/")
    if not consistent:
        return name
    algorithm = next((a for a in _HASH_ORDER if a in digests), next(iter(digests)))
    return check_target_name(f"{directory}{slash}{digests[algorithm]}.{last}")


def url_path(name: str) -> str:
    """Return a target's file name percent-encoded for a URL, slashes kept.

    Raises:
        TrustError: it has no UTF-8 form.
    """
    return _quote(name, safe="/")


def url(base: str, path: str, query: Mapping[str, str]) -> str:
    """Return the address of a file below `base`; parameters sorted and form-encoded (formats 7).

    Args:
        base: the directory's address, with or without a slash at the end.
        path: below it, percent-encoded.
        query: parameters by name.
    """
    address = f"{base.rstrip('/')}/{path}"
    return f"{address}?{urlencode(sorted(query.items()))}" if query else address


def _quote(text: str, *, safe: str) -> str:
    return quote(_encode(text), safe=safe)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TrustError(f"the name {text[:40]!r} has no UTF-8 form") from error
