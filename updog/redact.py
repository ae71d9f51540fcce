"""What must never stand in a log or a message: passwords, tokens, private keys. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

HIDDEN = "***"
SHOWN_PARAMETERS = frozenset({"version", "seed", "target", "migrations", "variant", "arch"})
"""Query parameters that we or our publishers send, and that are no secrets (formats 7)."""
_SHORTEST = 4
"""Shorter values of variables are left alone: hiding each '1' of a message helps nobody."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]*", re.IGNORECASE)
_USERINFO = re.compile(r"^([^:]+://)[^/?#]*@")
_PARAMETER = re.compile(r"([?&;#])([^=&;#]*)=([^&;#]*)")
# Words that name a secret in whatever notation: key=value, key: value, "key": "value".
_NAMED = re.compile(
    r"""(\b(?:[\w-]*(?:passphrase|passwd|password|secret|credential|api[_-]?key|access[_-]?key
        |private[_-]?key|auth[_-]?token|security[_-]?token|session[_-]?token)[\w-]*|pin-value)
        ["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&'"<>)\]}]+)""",
    re.IGNORECASE | re.VERBOSE,
)
# A header's value goes on to the end of its line.
_HEADER = re.compile(
    r"""(\b(?:proxy-)?authorization["']?\s*[=:]\s*|\b(?:set-)?cookie["']?\s*[=:]\s*
        |\bx-[\w-]*(?:token|signature|auth)[\w-]*["']?\s*[=:]\s*)[^\r\n]*""",
    re.IGNORECASE | re.VERBOSE,
)
_BEARER = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_PEM = re.compile(
    r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_TELLING_NAME = re.compile(r"PASSPHRASE|PASSWORD|SECRET|TOKEN|_PIN$|CREDENTIAL", re.IGNORECASE)


class Redactor(NamedTuple):
    """Takes secrets out of text.

    Attributes:
        known: secrets that are hidden wherever they stand, the longest first.
    """

    known: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `HIDDEN`."""
        for secret in self.known:
            text = text.replace(secret, HIDDEN)
        text = _PEM.sub(rf"-----BEGIN \1----- {HIDDEN}", text)
        text = _URL.sub(lambda found: _address(found[0]), text)
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
        text = _BEARER.sub(rf"\1\2{HIDDEN}", text)
        return _NAMED.sub(rf"\1{HIDDEN}", text)


def redactor(environment: Mapping[str, str]) -> Redactor:
    """One that knows the secrets of an environment, which the names of its variables tell."""
    told = (value for name, value in environment.items() if _TELLING_NAME.search(name))
    return Redactor(_longest_first(value for value in told if len(value) >= _SHORTEST))


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """A secret may be the beginning of another one, whose rest must not stay."""
    return tuple(sorted(set(secrets), key=lambda secret: (-len(secret), secret)))


def _address(url: str) -> str:
    """An address without who asks and without what only the server should know."""
    bare = _USERINFO.sub(rf"\1{HIDDEN}@", url)
    head, mark, query = re.match(r"([^?#]*)([?#]?)(.*)", bare, re.DOTALL).groups()  # type: ignore[union-attr]
    if not mark:
        return head
    hidden = _PARAMETER.sub(_parameter, f"{mark}{query}")
    # A query without names may be a secret as a whole.
    return head + (hidden if "=" in hidden else f"{mark}{HIDDEN}")


def _parameter(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={value if name in SHOWN_PARAMETERS else HIDDEN}"
