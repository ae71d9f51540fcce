"""Ranges over HTTP: many in one request where the server can, one by one where it cannot.

Servers differ. Some answer a request for many ranges with all of them, some with the whole file,
and some know no ranges at all. The first answer shows which; nothing is asked twice in vain.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import TypeAlias

from updog.body import CHUNK
from updog.errors import CutShort, UnreachableError
from updog.pipeline.asked import Asked
from updog.pipeline.multipart import Multipart, Piece, boundary_of, parse_content_range
from updog.pipeline.ranges import Range, coalesce, header_for
from updog.pipeline.stages import Stopped, stoppable
from updog.wire import Answer, WireError

Ask: TypeAlias = Callable[[str], Answer]
"""Sends one GET with that ``Range`` header and returns a usable answer: 200 or 206."""

SINGLE_GAP = 256 << 10
"""Bytes between two ranges that are cheaper to receive than another round trip."""
_CHUNK = min(CHUNK, 256 << 10)


class HttpRanges:
    """See `updog.pipeline.source.RangeSource`.

    Args:
        ask: how to send a request.
        name: of the target, for messages.
        spend: told of each byte before it is passed on; may wait, to keep to a rate.
    """

    def __init__(
        self, ask: Ask, name: str, spend: Callable[[int], object] = lambda _count: None
    ) -> None:
        self.requests = 0
        self.whole_only = False
        self._ask = ask
        self._spend = spend
        self._name = name
        self._many = True
        self._lock = threading.Lock()
        self._open: dict[int, Answer] = {}
        self._asked: dict[int, Asked] = {}
        self._left = False

    def stop(self) -> None:
        """End the transfers that are under way now, from another thread; later ones may begin.

        A transfer that waits for its server ends at once if its answer has a ``stop`` method,
        otherwise with its time limit, as does a request that was not answered yet.
        """
        with self._lock:
            answers = list(self._open.values())
        for answer in answers:
            for waiting in stoppable(answer):
                waiting.stop()

    def leave(self) -> None:
        """End everything, from another thread; requests without an answer are left alone."""
        with self._lock:
            self._left = True
            asked = list(self._asked.values())
        for one in asked:
            one.leave()
        self.stop()

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        """See `RangeSource`."""
        if self.whole_only:
            wanted = wanted[:1]
        if len(wanted) > 1 and self._many:
            answer = self._answer(wanted)
            boundary = boundary_of(answer.header("Content-Type"))
            if answer.status == HTTPStatus.PARTIAL_CONTENT and boundary:
                yield from self._parts(answer, boundary)
                return
            # It would send all or one: better to ask for few and large ones.
            self._many = False
            answer.close()
        few = wanted if len(wanted) == 1 else coalesce(wanted, limit=len(wanted), gap=SINGLE_GAP)
        yield from self._one_by_one(few)

    def _one_by_one(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        for item in wanted:
            answer = self._answer((item,))
            if answer.status == HTTPStatus.OK:
                yield from self._whole(answer)
                return
            told = answer.header("Content-Range")
            place = parse_content_range(told)
            if place is None:
                answer.close()
                raise UnreachableError(f"{self._name} was answered with the range {told!r}")
            yield from self._bytes(answer, place[0])

    def _whole(self, answer: Answer) -> Iterator[Piece]:
        if not self.whole_only:
            self.whole_only = True
            answer.close()
            # Every further request would bring the whole file too: one must do for all.
            raise CutShort(f"{self._name}: its server knows no ranges.")
        return self._bytes(answer, 0)

    def _answer(self, wanted: Sequence[Range]) -> Answer:
        with self._lock:
            self._refuse_left()
            asked = Asked(lambda: self._ask(header_for(wanted)))
            self.requests += 1
            self._asked[id(asked)] = asked
        try:
            return asked.answer()
        finally:
            with self._lock:
                del self._asked[id(asked)]

    def _refuse_left(self) -> None:
        if self._left:
            raise Stopped

    def _parts(self, answer: Answer, boundary: bytes) -> Iterator[Piece]:
        parts = Multipart(boundary, self._name)
        for chunk in self._chunks(answer):
            yield from parts.feed(chunk)

    def _bytes(self, answer: Answer, offset: int) -> Iterator[Piece]:
        for chunk in self._chunks(answer):
            yield Piece(offset, chunk)
            offset += len(chunk)

    def _chunks(self, answer: Answer) -> Iterator[bytes]:
        with self._lock:
            if self._left:
                answer.close()
            self._refuse_left()
            self._open[id(answer)] = answer
        try:
            while chunk := answer.read1(_CHUNK):
                self._spend(len(chunk))
                yield chunk
        except WireError as error:
            raise CutShort(f"{self._name} stopped before its end: {error}") from error
        finally:
            with self._lock:
                del self._open[id(answer)]
            answer.close()
