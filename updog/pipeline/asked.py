"""A request whose answer may be long in coming: waited for on a thread that can be left alone.

Neither a connection that is being made nor a server that says nothing can be woken from outside.
So whoever waits waits for this thread instead, and goes when the work is given up. The thread ends
with the time limits of its request; it has nothing of ours but its connection, which it gives back.
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
            if self._failure is not None:
                raise self._failure
            if self._answer is None:
                raise Stopped
            return self._answer

    def stop(self) -> None:
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
                late = self._left
                self._answer = None if late else answer
            if late:
                answer.close()
        self._ended.set()
