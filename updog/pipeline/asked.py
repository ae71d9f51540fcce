"""A request whose answer may be long in coming: waited for on a thread that can be left alone.

Neither a connection that is being made nor a server that says nothing can be woken from outside.
So whoever waits waits for this thread instead, and goes when everything is given up. The thread
ends with the time limits of its request, or with the process; it gives its connection back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from updog.pipeline.stages import Stopped
from updog.wire import Answer


class Asked:
    """One request on its way.

    Args:
        ask: sends it and returns a usable answer.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._answer: Answer | None = None
        self._failure: BaseException | None = None
        self._left = False
        threading.Thread(target=self._run, name="ask", daemon=True).start()

    def answer(self) -> Answer:
        """Wait for the answer.

        Raises:
            Stopped: the work was given up.
            BaseException: what the request failed with.
        """
        self._ended.wait()
        with self._lock:
            if self._left:
                if self._answer is not None:
                    self._answer.close()
                raise Stopped
            if self._failure is not None:
                raise self._failure
            assert self._answer is not None  # noqa: S101 - it has ended, and has not failed
            return self._answer

    def leave(self) -> None:
        """Let whoever waits go; an answer that comes later is closed."""
        with self._lock:
            self._left = True
        self._ended.set()

    def _run(self) -> None:
        try:
            answer = self._ask()
        except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must see it
            self._failure = error
        else:
            with self._lock:
                self._answer = answer
                if self._left:
                    # Whoever waited is gone.
                    answer.close()
        self._ended.set()
