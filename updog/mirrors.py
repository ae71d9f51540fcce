"""Several servers with the same repository: the next one where one fails.

Who fails to answer goes to the end of the row. Whose bytes are not what was signed is out for the
rest of the run, but only once it sent a whole file by itself: of a file put together from two
servers nobody knows whose half was bad, so after that files are no longer put together.

"No such file" is an answer. For metadata the first server that gives it decides, or a dead or
lying server in the row could stretch the search for the next root. A target may lie elsewhere:
its bytes speak for themselves.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from updog.body import Body, Fetcher, OneBody
from updog.errors import CutShort, NotThere, TrustError, UnreachableError, UpdogError
from updog.httpanswer import shown
from updog.mirrormemory import Memory, NoMemory
from updog.patience import Patience, TryAgain
from updog.settings import Mirror

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource
    from updog.wire import Answer

T = TypeVar("T")
log = logging.getLogger(__name__)
_NO_MEMORY = NoMemory()


@dataclass(slots=True)
class _Row:
    """The servers of one kind of file.

    Attributes:
        prefix: what addresses of this kind begin with, as the rest of the program knows them.
        bases: where to look, in this order.
        absent_decides: whether one server's "no such file" is the answer.
    """

    prefix: str
    bases: list[str]
    absent_decides: bool
    origin: dict[str, str] = field(default_factory=dict)
    mixed: bool = False
    latest: str = ""

    def to_the_end(self, base: str) -> None:
        self.bases.remove(base)
        self.bases.append(base)


@runtime_checkable
class RangedOnce(Protocol):
    """A fetcher that can send one request for parts of a file."""

    def ask(self, url: str, ranges: str) -> Answer:
        """Send it (see `updog.fetch.HttpFetcher.ask`)."""


@runtime_checkable
class SeveralServers(Protocol):
    """A `Fetcher` that may find another server with the right bytes."""

    def leave(self, error: UpdogError) -> bool:
        """Turn away from the server whose file was refused; False if no other is left."""
        ...


class Mirrors:
    """A `Fetcher` over several servers.

    Args:
        main: the configured repository.
        others: further servers, in order.
        once: fetches from one server, without trying again.
        patience: how often to go through the whole row.
        memory: of earlier runs, for the order.
    """

    def __init__(
        self,
        main: Mirror,
        others: Sequence[Mirror],
        once: Fetcher,
        patience: Patience,
        memory: Memory = _NO_MEMORY,
    ) -> None:
        metadata = memory.order([main.metadata, *(one.metadata for one in others if one.metadata)])
        targets = memory.order([main.targets, *(one.targets for one in others if one.targets)])
        self._memory = memory
        rows = [_Row(main.metadata, metadata, True), _Row(main.targets, targets, False)]  # noqa: FBT003
        # The longer prefix first: one may lie below the other.
        self._rows = sorted(rows, key=lambda row: -len(row.prefix))
        self._latest = rows[0]
        self._once = once
        self._patience = patience
        self._mixing = True
        self._betrayal: TrustError | None = None

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        row, rest = self._place(url)
        row.mixed = False
        return self._attempts(
            row, lambda base: self._once.get(base + rest, max_bytes=max_bytes), lambda: row.bases
        )

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        row, rest = self._place(url)
        before = row.origin.get(rest, "") if offset else ""
        apart = bool(before) and not self._mixing
        body = self._attempts(
            row,
            lambda base: self._once.open(base + rest, offset=offset),
            lambda: [before] if apart else row.bases,
        )
        row.mixed = bool(offset) and (row.mixed or before != row.latest)
        row.origin[rest] = row.latest
        chunks = self._watched(body, row, row.latest)
        return OneBody(chunks, body.offset, body.close, body.total)

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> RangeSource | None:
        """Return a file in ranges (see `updog.body.RangeFetcher`).

        Each request goes to the server that is first in the row then; parts of several servers
        make a mixed file like any other.
        """
        if not isinstance(self._once, RangedOnce):
            return None
        once = self._once
        row, rest = self._place(url)
        if not all(base.startswith("http") for base in row.bases):
            return None
        from updog.pipeline.httpranges import HttpRanges  # noqa: PLC0415 - start-up: images only
        from updog.watchedanswer import WatchedAnswer  # noqa: PLC0415 - the same

        row.mixed = False

        def ask(wanted: str) -> Answer:
            before = row.origin.get(rest, "")
            bases = [before] if before and not self._mixing else row.bases
            answer = self._attempts(
                row, lambda base: once.ask(base + rest, wanted), lambda: list(bases)
            )
            row.mixed = row.mixed or before not in {"", row.latest}
            row.origin[rest] = base = row.latest
            return WatchedAnswer(answer, lambda: self._broke(row, base))

        # One of several servers at a time, or nobody could tell whose bytes were wrong.
        row.origin.pop(rest, None)
        return HttpRanges(_one_at_a_time(ask), name, spend)

    def leave(self, error: UpdogError) -> bool:
        """Give up the server whose file was refused; whether it is worth reading it again.

        Raises:
            TrustError: none is left, and this is what was wrong with an earlier one.
        """
        row = self._latest
        if isinstance(error, TrustError):
            self._betrayal = self._betrayal or error
        if row.mixed and self._mixing:
            log.warning("%s; reading it again from one server alone", error)
            self._mixing = row.mixed = False
            return True
        if len(row.bases) > 1 and row.latest in row.bases:
            log.warning("%s is not used any more in this run: %s", shown(row.latest), error)
            row.bases.remove(row.latest)
            self._memory.failed(row.latest)
            return True
        if self._betrayal is not None and not isinstance(error, TrustError):
            raise self._betrayal from error
        return False

    def close(self) -> None:
        """Give up the connections kept alive."""
        if (close := getattr(self._once, "close", None)) is not None:
            close()

    # ---------------------------------------------------------------------------------------------
    def _place(self, url: str) -> tuple[_Row, str]:
        for row in self._rows:
            if url.startswith(f"{row.prefix}/"):
                self._latest = row
                return row, url.removeprefix(row.prefix)
        raise UnreachableError(f"{shown(url)} belongs to no configured repository")

    def _attempts(self, row: _Row, ask: Callable[[str], T], bases: Callable[[], list[str]]) -> T:
        try:
            return self._patience.attempts(lambda: self._pass(row, ask, list(bases())))
        except NotThere:
            raise
        except UnreachableError as error:
            if self._betrayal is not None:
                raise self._betrayal from error
            raise

    def _pass(self, row: _Row, ask: Callable[[str], T], bases: list[str]) -> T:
        """Ask each server once."""
        failures: list[UnreachableError] = []
        for base in bases:
            row.latest = base
            try:
                answer = ask(base)
            except NotThere as error:
                if row.absent_decides:
                    raise
                failures.append(error)
            except UnreachableError as error:
                self._behind(row, base)
                failures.append(error)
            else:
                self._memory.answered(base)
                return answer
        raise _together(failures)

    def _behind(self, row: _Row, base: str) -> None:
        """Ask a server after all others, in this run and the next ones."""
        row.to_the_end(base)
        self._memory.failed(base)

    def _watched(self, body: Body, row: _Row, base: str) -> Iterator[bytes]:
        try:
            yield from body
        except CutShort:
            self._broke(row, base)
            raise

    def _broke(self, row: _Row, base: str) -> None:
        """A transfer broke off; the rest may come faster from another server."""
        if base in row.bases:
            self._behind(row, base)


def _one_at_a_time(ask: Callable[[str], Answer]) -> Callable[[str], Answer]:
    """The same, safe to be called by several threads."""
    lock = threading.Lock()

    def asked(wanted: str) -> Answer:
        with lock:
            return ask(wanted)

    return asked


def elsewhere(fetcher: Fetcher, error: UpdogError) -> bool:
    """Whether reading again may bring what was signed, because another server is asked now.

    Args:
        fetcher: what brought the refused file.
        error: what was wrong with it.

    Raises:
        TrustError: no server is left, and this is what was wrong with an earlier one.
    """
    return isinstance(fetcher, SeveralServers) and fetcher.leave(error)


def _together(failures: Sequence[UnreachableError]) -> UnreachableError:
    """One error for a whole row of servers."""
    absent = [error for error in failures if isinstance(error, NotThere)]
    if len(absent) == len(failures):
        return absent[0]
    told = "; ".join(str(error) for error in failures)
    hint = next((error.hint for error in failures if error.hint), "")
    passing = [error for error in failures if isinstance(error, TryAgain | CutShort)]
    if not passing:
        return UnreachableError(told, hint=hint)
    after = min(error.after if isinstance(error, TryAgain) else 0.0 for error in passing)
    return TryAgain(told, hint=hint, after=after)
