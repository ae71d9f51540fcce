"""A time-boxed run of the header fuzzer; `python -m tests.fuzz.gpt_headers` runs longer."""

from __future__ import annotations

import random
import time

import pytest

from tests.fuzz.gpt_headers import Fuzzer

BOX = 20.0


@pytest.mark.slow(seconds=20)
def test_mutated_headers_are_read_or_refused_within_the_time_box() -> None:
    fuzzer = Fuzzer(random.Random(1))
    end = time.monotonic() + BOX
    while time.monotonic() < end:
        fuzzer.round()
    assert fuzzer.tally.read > 0
    assert fuzzer.tally.refused > 0
