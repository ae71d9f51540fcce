"""The seam below `updog.fetch`: one GET over one connection, and nothing decided.

Two libraries stand behind it. `updog.requestswire` knows proxies and all else; importing it takes
longer than asking whether there is an update. `updog.plainwire` knows the straight way only.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How to talk to the repository.

    Attributes:
        timeout_connect: seconds to wait for a connection.
        timeout_stall: seconds of silence after which a transfer counts as dead.
        retries: further attempts after the first.
        ca_file: the only certificate authorities to believe; None for the system's.
        client_cert: certificate to show to the server.
        client_key: its key, where it is not in the same file.
        headers: to send with each request to the repository's own host.
        proxies: by scheme; None takes them, and the exceptions, from the environment.
    """

    timeout_connect: float = 10.0
    timeout_stall: float = 30.0
    retries: int = 4
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] | None = None


class WireError(Exception):
    """The transport failed; the message is its innermost reason."""


class TlsError(WireError):
    """The server's certificate was refused, or TLS failed otherwise: trying again will not help."""


class Answer(Protocol):
    """What came back: a status at once, a body bit by bit, exactly as sent."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    def header(self, name: str) -> str:
        """Return a header, or an empty string."""

    def read1(self, amount: int) -> bytes:
        """Return what is there, at most `amount` bytes; empty at the end.

        Raises:
            WireError: the transfer broke off or stalled.
        """

    def close(self) -> None:
        """Keep the connection if the body was read to its end, otherwise drop it."""


class Wire(Protocol):
    """Asks servers."""

    def ask(self, address: str, headers: Mapping[str, str]) -> Answer:
        """Send one GET; redirects are not followed.

        Raises:
            TlsError: TLS failed.
            WireError: no answer.
        """

    def close(self) -> None:
        """Give up the connections kept alive."""


def failure(error: BaseException) -> WireError:
    """Return a library's error as one of ours, with its innermost reason, which says something."""
    while (inner := _inside(error)) is not None:
        error = inner
    reason = str(error) or type(error).__name__
    # A handshake that broke off is a broken line, not a refused certificate.
    broken = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError)
    return TlsError(reason) if isinstance(error, ssl.SSLError) and not broken else WireError(reason)


def _inside(error: BaseException) -> BaseException | None:
    told = (getattr(error, "reason", None), *error.args)
    return next((one for one in told if isinstance(one, BaseException)), None)
