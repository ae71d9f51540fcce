"""Where zstd frames begin and end, and what memory they ask for, without decoding them. PURE.

The library's reader takes a file that was cut for one that ended, and tells of everything else in
words that only its makers understand. Walking along costs a few bytes of work for each block.
Written against the format's description, RFC 8878.
"""

from __future__ import annotations

from collections.abc import Generator

from updog.errors import TargetMismatch

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_END = b"\x2a\x4d\x18"
_SKIPPABLE_FIRST = range(0x50, 0x60)
_SINGLE, _RESERVED, _SUM = 0x20, 0x08, 0x04
_ID_LENGTHS = (0, 1, 2, 4)
_SIZE_LENGTHS = (0, 2, 4, 8)
_TWO_BYTES_MORE = 256
_RUN, _NO_BLOCK = 1, 3
_SUM_LENGTH = 4

_Steps = Generator[int, bytes, None]
"""Asks for as many bytes as it yields; a negative number is to be passed over unseen."""


class ZstdWalker:
    """Follows frames that arrive in chunks.

    Args:
        name: of the target, for messages.
        window: the most bytes that a decoder may have to look back.
    """

    def __init__(self, name: str, window: int) -> None:
        self._name = name
        self._window = window
        self._between = True
        """Nothing has come, or a frame has just ended."""
        self._small = bytearray()
        self._steps = self._frames()
        self._wanted = next(self._steps)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            TargetMismatch: this is no zstd, or needs too much memory or a dictionary.
        """
        at, end = 0, len(chunk)
        while at < end:
            self._between = False
            if self._wanted < 0:
                count = min(-self._wanted, end - at)
                self._wanted += count
                at += count
                if not self._wanted:
                    self._wanted = self._steps.send(b"")
                continue
            part = chunk[at : at + self._wanted - len(self._small)]
            self._small += part
            at += len(part)
            if len(self._small) == self._wanted:
                taken = bytes(self._small)
                self._small.clear()
                self._wanted = self._steps.send(taken)

    def check_ended(self) -> None:
        """Refuse a file that ends in mid-frame.

        Raises:
            TargetMismatch: it does.
        """
        if not self._between:
            raise TargetMismatch(f"{self._name} ends in the middle of its zstd stream.")

    def _frames(self) -> _Steps:
        while True:
            magic = yield len(MAGIC)
            if magic == MAGIC:
                yield from self._frame()
            elif magic[1:] == _SKIPPABLE_END and magic[0] in _SKIPPABLE_FIRST:
                length = int.from_bytes((yield 4), "little")
                yield from self._pass(length)
            else:
                raise TargetMismatch(f"{self._name} has bytes that are not zstd in its stream.")
            self._between = True

    def _frame(self) -> _Steps:
        flags = (yield 1)[0]
        if flags & _RESERVED:
            raise TargetMismatch(f"{self._name} has a zstd frame whose header makes no sense.")
        single = bool(flags & _SINGLE)
        window = 0 if single else _window((yield 1)[0])
        if identity := _ID_LENGTHS[flags & 3]:
            self._refuse_dictionary((yield identity))
        length = _SIZE_LENGTHS[flags >> 6] or (1 if single else 0)
        size = int.from_bytes((yield length), "little") if length else 0
        if single:
            window = size + (_TWO_BYTES_MORE if length == _SIZE_LENGTHS[1] else 0)
        self._check_window(window)
        yield from self._blocks()
        if flags & _SUM:
            yield _SUM_LENGTH

    def _blocks(self) -> _Steps:
        last = False
        while not last:
            word = int.from_bytes((yield 3), "little")
            last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
            if kind == _NO_BLOCK:
                raise TargetMismatch(f"{self._name} has a zstd block that makes no sense.")
            yield from self._pass(1 if kind == _RUN else size)

    @staticmethod
    def _pass(length: int) -> _Steps:
        if length:
            yield -length

    def _check_window(self, window: int) -> None:
        if window > self._window:
            raise TargetMismatch(
                f"{self._name} was packed with a zstd window of {window >> 20} MiB; at most"
                f" {self._window >> 20} MiB are decoded here.",
                hint="Its publisher has to pack it again, without --long or --ultra.",
            )

    def _refuse_dictionary(self, identity: bytes) -> None:
        if any(identity):
            raise TargetMismatch(f"{self._name} needs a zstd dictionary, which images never have.")


def _window(descriptor: int) -> int:
    size = 1 << 10 + (descriptor >> 3)
    return size + (size >> 3) * (descriptor & 7)
