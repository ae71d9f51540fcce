"""What a machine says on its serial port: kept in a file, and searched while it comes in."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

_TOLD = 40


class SerialLog:
    """Reads a stream in a thread of its own until it ends.

    Attributes:
        path: the file that everything is written to as it comes.
    """

    def __init__(self, stream: BufferedReader, path: Path) -> None:
        self.path = path
        self._stream = stream
        self._text = ""
        self._position = 0
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Everything said so far."""
        with self._news:
            return self._text

    def expect(self, wanted: Sequence[str], limit: float) -> str:
        """Wait for one of the patterns in what was not expected yet; see `Machine.expect`."""
        pattern = re.compile("|".join(f"(?:{each})" for each in wanted), re.MULTILINE)
        deadline = time.monotonic() + limit
        with self._news:
            while (line := self._found(pattern)) is None:
                left = deadline - time.monotonic()
                if self._ended:
                    raise self._failure(f"the machine ended before it said {_listed(wanted)}")
                if left <= 0:
                    raise self._failure(f"within {limit:.0f} s it did not say {_listed(wanted)}")
                self._news.wait(left)
            return line

    def failure(self, what: str) -> AssertionError:
        """Return an error that shows the end of the log and says where the log is."""
        with self._news:
            return self._failure(what)

    def join(self) -> None:
        """Wait until the stream has ended."""
        self._thread.join()

    def _found(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.search(self._text, self._position)
        if found is None or not (end := self._text.find("\n", found.end()) + 1):
            return None
        self._position = end
        start = self._text.rfind("\n", 0, found.start()) + 1
        return self._text[start:end].rstrip("\n")

    def _failure(self, what: str) -> AssertionError:
        lines = self._text.splitlines()[-_TOLD:]
        told = "\n".join(f"  | {line}" for line in lines)
        return AssertionError(f"{what}; the whole log is {self.path}, its end:\n{told}")

    def _read(self) -> None:
        with self.path.open("wb") as log:
            while data := self._stream.read1(4096):
                log.write(data)
                log.flush()
                with self._news:
                    self._text += data.decode("utf-8", "replace").replace("\r", "")
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def _listed(wanted: Sequence[str]) -> str:
    return " or ".join(repr(each) for each in wanted)
