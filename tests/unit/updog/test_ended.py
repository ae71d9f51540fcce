from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from updog.ended import Terminated, exit_code, orderly_end


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_sigterm_comes_up_like_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, orderly_end():
        signal.raise_signal(signal.SIGTERM)
    assert isinstance(raised.value, Terminated)


def test_each_end_has_its_exit_code() -> None:
    assert (exit_code(KeyboardInterrupt()), exit_code(Terminated())) == (130, 143)


def test_afterwards_sigterm_is_what_it_was() -> None:
    with orderly_end():
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_who_was_started_to_ignore_it_does() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with orderly_end():
        signal.raise_signal(signal.SIGTERM)


def test_a_command_may_have_a_handler_of_its_own() -> None:
    seen: list[int] = []
    with orderly_end():
        signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
        signal.raise_signal(signal.SIGTERM)
    assert seen == [signal.SIGTERM]


def test_a_command_on_another_thread_leaves_it_alone() -> None:
    found: list[object] = []

    def work() -> None:
        with orderly_end():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]
