from __future__ import annotations

import json

from updog.crashtest.report import Proof, Row, as_json, as_text
from updog.crashtest.words import Counterexample

ROW = Row("activate", 512, 3, 3, 15, 7, 2, 7, 111, 0)
FOUND = Counterexample("activate", "choose", 512, 2, ("a: all",), "nothing boots", (1, 2))


def test_the_table_has_a_line_for_each_operation() -> None:
    lines = as_text(Proof((ROW,))).splitlines()
    assert lines[0].split()[:3] == ["operation", "sector", "moments"]
    assert lines[1].split() == ["activate", "512", "3", "3", "15", "7", "2", "7", "111", "0"]


def test_the_last_line_counts_all_disks() -> None:
    assert as_text(Proof((ROW, ROW))).splitlines()[-1] == "252 disks explored, 0 failures."


def test_a_counterexample_is_told_last() -> None:
    assert as_text(Proof((ROW,), FOUND)).endswith(str(FOUND))


def test_json_holds_the_same_numbers() -> None:
    said = json.loads(as_json(Proof((ROW,))))
    assert (said["disks"], said["failures"], said["counterexample"]) == (126, 0, None)
    assert said["operations"][0]["tables"] == 7


def test_json_tells_the_counterexample() -> None:
    said = json.loads(as_json(Proof((ROW,), FOUND)))
    assert said["counterexample"] == {
        "operation": "activate",
        "step": "choose",
        "sector": 512,
        "in_doubt": 2,
        "places": ["a: all"],
        "problem": "nothing boots",
    }


def test_a_proof_of_nothing_does_not_hold() -> None:
    assert not Proof(()).holds
    assert Proof((ROW,)).holds
