from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from updog.pipeline.courtesy import IoClass, io_class

ROOT = Path(__file__).resolve().parents[4]


def in_a_process(code: str) -> str:
    # Both values cannot be taken back without privileges, so the tests must not keep them.
    command = "import os\nfrom updog.pipeline.courtesy import *\n" + code
    run = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_the_kernel_says_that_the_process_is_idle() -> None:
    assert in_a_process("print(stand_back(), io_class().name)") == "() IDLE"


def test_the_processor_is_taken_only_when_nobody_wants_it() -> None:
    code = "stand_back(); print(os.sched_getscheduler(0) == os.SCHED_IDLE)"
    assert in_a_process(code) == "True"


def test_threads_that_start_later_are_idle_too() -> None:
    code = (
        "import threading\nstand_back()\n"
        "t = threading.Thread(target=lambda: print(io_class().name, os.nice(0)))\n"
        "t.start()\nt.join()"
    )
    assert in_a_process(code) == "IDLE 19"


def test_the_processor_is_left_to_others() -> None:
    assert in_a_process("os.nice(1); stand_back(17); print(os.nice(0))") == "17"


def test_who_is_nicer_already_stays_so() -> None:
    assert in_a_process("os.nice(15); stand_back(5); print(os.nice(0) >= 15)") == "True"


def test_an_unknown_machine_is_a_remark() -> None:
    assert "vax" in in_a_process("print(stand_back(0, 'vax'))")
    assert io_class("vax") is None


def test_a_refusal_is_a_remark() -> None:
    code = (
        "import updog.pipeline.courtesy as c\n"
        "c._SET_NUMBERS['odd'] = 1 << 20\nprint(stand_back(0, 'odd'), io_class('odd'))"
    )
    found = in_a_process(code)
    assert "not set" in found
    assert found.endswith("None")


def test_this_process_has_a_class() -> None:
    assert io_class() in set(IoClass)
