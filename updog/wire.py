"""The seam below `updog.fetch`: one GET over one connection, and nothing decided.

Two libraries stand behind it. `updog.requestswire` knows proxies and all else; importing it takes
longer than asking whether there is an update. `updog.plainwire` knows the straight way only.
Both trust the same certificates (`updog.tls`), tell errors in the same words (`updog.wirefault`),
and end what drips (`updog.headway`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

SLOWEST = 256
"""Bytes a second below which a transfer counts as dead: a tenth of what the oldest modems give."""


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How to talk to the repository.

    Attributes:
        timeout_connect: seconds to wait for a connection.
        timeout_stall: seconds of silence after which a transfer counts as dead; also the window in
            which `slowest` is measured.
        retries: further attempts after the first.
        ca_file: the only certificate authorities to believe; None for the system's.
        client_cert: certificate to show to the server.
        client_key: its key, where it is not in the same file.
        pins: SHA-256 of the public keys that servers may have; empty for any.
        headers: to send with each request to the repository's own host.
        proxies: by scheme; None takes them, and the exceptions, from the environment.
        no_proxy: hosts to reach without the proxies given here.
        rate_limit: bytes a second to stay below; 0 for no limit.
        slowest: bytes a second below which a transfer counts as dead.
    """

    timeout_connect: float = 10.0
    timeout_stall: float = 30.0
    retries: int = 4
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    pins: frozenset[bytes] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] | None = None
    no_proxy: tuple[str, ...] = ()
    rate_limit: int = 0
    slowest: int = SLOWEST


class WireError(Exception):
    """The transport failed.

    Args:
        message: its innermost reason, in words.
        hint: what to do about it, or empty.
    """

    hopeless: ClassVar[bool] = False
    """Whether another attempt would meet the same."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class TlsError(WireError):
    """The server's certificate was refused, or TLS failed otherwise."""

    hopeless = True


class BadAddress(WireError):
    """Nobody could ever be reached there: the address or the proxy makes no sense."""

    hopeless = True


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
            WireError: the transfer broke off, stalled or drips.
        """

    def stop(self) -> None:
        """End the transfer now, from any thread: whoever waits for its next bytes is woken."""

    def close(self) -> None:
        """Keep the connection if the body was read to its end, otherwise drop it."""


class Wire(Protocol):
    """Asks servers."""

    def ask(self, address: str, headers: Mapping[str, str]) -> Answer:
        """Send one GET; redirects are not followed.

        Raises:
            TlsError: TLS failed.
            WireError: no answer.
            ConfigError: a certificate file cannot be used.
        """

    def close(self) -> None:
        """Give up the connections kept alive."""
