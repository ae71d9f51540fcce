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

# Every repetition in front of what must match is bounded: a log line may have megabytes.
_URL = r"[a-z][a-z0-9+.-]{0,20}://[^\s\"'<>]*"
_USERINFO = r"^([^:]+://)[^/?#]*@"
_PARAMETER = r"([?&;#])([^=&;#]*)=([^&;#]*)"
# Words that name a secret in whatever notation: key=value, key: value, "key": "value". Behind a
# slash and before a quote they are the end of a path: '/etc/passwd': no such file.
_NAME = (
    r"(?:passphrase|passwd|password|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|auth[_-]?token|security[_-]?token|session[_-]?token|pin-value)[\w-]{0,64}"
)
_NAMED = (
    rf"""(?i)((?:(?<!/){_NAME}["']?|{_NAME})\s*[=:]\s*)"""
    r"""("[^"]*"|'[^']*'|[^\s,;&'"<>)\]}]+)"""
)
# A header's value goes on to the end of its line.
_HEADER = r"""(?xi)(\b(?:proxy-)?authorization["']?\s*[=:]\s*|\b(?:set-)?cookie["']?\s*[=:]\s*
    |\bx-[\w-]{0,64}(?:token|signature|auth)[\w-]{0,64}["']?\s*[=:]\s*)[^\r\n]*"""
_BEARER = r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{8,}"
_PEM = r"""(?xs)-----BEGIN[ ]([A-Z ]*PRIVATE[ ]KEY)-----.*?
    (?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)"""
_TELLING = ("PASSPHRASE", "PASSWORD", "SECRET", "TOKEN", "CREDENTIAL", "_PIN")
# The patterns are text here, and compiled by `re` where they are first used, because that takes
# longer than most commands need to start.


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
        text = re.sub(_PEM, rf"-----BEGIN \1----- {HIDDEN}", text)
        text = re.sub(_URL, lambda found: _address(found[0]), text, flags=re.IGNORECASE)
        text = re.sub(_HEADER, rf"\1{HIDDEN}", text)
        text = re.sub(_BEARER, rf"\1\2{HIDDEN}", text)
        return re.sub(_NAMED, rf"\1{HIDDEN}", text)


def redactor(environment: Mapping[str, str]) -> Redactor:
    """One that knows the secrets of an environment, which the names of its variables tell."""
    told = (value for name, value in environment.items() if _tells(name.upper()))
    return Redactor(_longest_first(value for value in told if len(value) >= _SHORTEST))


def _tells(name: str) -> bool:
    return name.endswith(_TELLING) or any(word in name for word in _TELLING[:-1])


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """A secret may be the beginning of another one, whose rest must not stay."""
    return tuple(sorted(set(secrets), key=lambda secret: (-len(secret), secret)))


def _address(url: str) -> str:
    """An address without who asks and without what only the server should know."""
    bare = re.sub(_USERINFO, rf"\1{HIDDEN}@", url)
    head, mark, query = re.match(r"([^?#]*)([?#]?)(.*)", bare, re.DOTALL).groups()  # type: ignore[union-attr]
    if not mark:
        return head
    hidden = re.sub(_PARAMETER, _parameter, f"{mark}{query}")
    # A query without names may be a secret as a whole.
    return head + (hidden if "=" in hidden else f"{mark}{HIDDEN}")


def _parameter(found: re.Match[str]) -> str:
    mark, name, value = found.groups()
    return f"{mark}{name}={value if name in SHOWN_PARAMETERS else HIDDEN}"
