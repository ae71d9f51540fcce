"""The seam to the network: what fetches, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from updog.errors import TargetMismatch, TrustError

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource

CHUNK = 1 << 20
"""Bytes asked for at once: large enough that a fast link is not slowed by Python."""


class Body(Protocol):
    """The bytes of one answer, on their way.

    Attributes:
        offset: where in the file they begin; 0 where a server ignored the wish for another place.
        total: bytes of the whole file, as far as whoever sends it tells.
    """

    @property
    def offset(self) -> int:
        """Where in the file the bytes begin."""

    @property
    def total(self) -> int | None:
        """Bytes of the whole file as told, before any of them came; None where nobody tells."""

    def __iter__(self) -> Iterator[bytes]:
        """Give chunks until the end.

        Raises:
            CutShort: the transfer broke off or stalled.
        """

    def close(self) -> None:
        """Give the connection back, whether or not the end was reached."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""


class Fetcher(Protocol):
    """Whatever gets files from a repository."""

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file.

        Raises:
            NotThere: the server says that there is no such file.
            UnreachableError: no usable answer, after some attempts.
            TrustError: the file is longer than `max_bytes`.
        """

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file, from `offset` if the server can.

        Raises:
            NotThere: the server says that there is no such file.
            UnreachableError: no usable answer, after some attempts.
        """


@runtime_checkable
class RangeFetcher(Protocol):
    """A `Fetcher` that can get parts of a file, as long as that file need not be followed."""

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> RangeSource | None:
        """Return a file in ranges, or None where it can only be had from its start.

        Args:
            url: its address.
            name: of the target, for messages.
            spend: told how many bytes arrive, before they are passed on; may refuse more.
        """


class OneBody:
    """What every `Body` is: an iterator with a place and an end.

    Args:
        chunks: the bytes; errors are already ours.
        offset: where in the file they begin.
        release: frees what stands behind them; may be called more than once.
        total: bytes of the whole file, where that is told.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        offset: int,
        release: Callable[[], object] = bool,
        total: int | None = None,
    ) -> None:
        self._chunks = chunks
        self._release = release
        self.offset = offset
        self.total = total

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Free what stands behind the chunks."""
        self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def of_length(body: Body, length: int, name: str) -> Body:
    """Return a body unless its sender tells another length than was signed.

    Nothing is touched then for a file that cannot be the right one.

    Args:
        body: of a target; closed if it is refused.
        length: bytes, as signed.
        name: of the target, for the message.

    Raises:
        TargetMismatch: it is another file.
    """
    if body.total is None or body.total == length:
        return body
    body.close()
    raise TargetMismatch(f"{name} has {body.total} bytes, but {length} were signed.")


def read_capped(body: Body, url: str, max_bytes: int) -> bytes:
    """Return what is left of `body`, which is closed then.

    Raises:
        TrustError: it is longer than `max_bytes`.
        CutShort: the transfer broke off or stalled.
    """
    found = bytearray()
    with body:
        for chunk in body:
            found += chunk
            if len(found) > max_bytes:
                raise too_long(url, max_bytes)
    return bytes(found)


def too_long(url: str, max_bytes: int) -> TrustError:
    """Return the error for a file that does not end where it must."""
    return TrustError(f"{url} is longer than the {max_bytes} bytes it may have")
