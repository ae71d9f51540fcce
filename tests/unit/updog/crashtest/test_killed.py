from __future__ import annotations

from tests.fakes.tiny_stand import SIZES, tiny_stand
from updog.crashtest.cases import Case
from updog.crashtest.doubt import Fineness
from updog.crashtest.killed import kill_points, killed
from updog.crashtest.machine import Agent
from updog.crashtest.prove import Thoroughness, prove
from updog.crashtest.scenarios import play, scenarios
from updog.crashtest.words import without_power_cut
from updog.crashtest.writelog import Note

HOW = Thoroughness(Fineness(512))


def activation() -> Case:
    return play(tiny_stand(), scenarios(["activate"])[0])


def killed_at(case: Case, position: int) -> Case:
    return killed(case, position, "killed", Agent(), SIZES)


def test_a_process_can_be_killed_after_each_write_and_flush() -> None:
    case = activation()
    assert len(list(kill_points(case))) == sum(not isinstance(e, Note) for e in case.log)


def test_the_log_of_a_killed_run_is_the_beginning_of_the_next_log() -> None:
    case = activation()
    for position in kill_points(case):
        again = killed_at(case, position)
        assert again.log[:position] == case.log[:position]
        assert again.log[position] == Note("the next run begins")


def test_images_of_the_killed_run_count_as_complete() -> None:
    case = play(tiny_stand(), scenarios(["update"])[0])
    assert killed_at(case, len(case.log)).between == (case.after,)


def test_no_power_cut_breaks_the_run_after_a_killed_one() -> None:
    case = activation()
    for position in kill_points(case):
        tally = prove(killed_at(case, position), HOW, start=position)
        assert not tally.failures, tally.smallest


def test_moments_before_the_kill_are_passed_over() -> None:
    case = activation()
    *_, last = kill_points(case)
    again = killed_at(case, last)
    assert prove(again, HOW, start=last).moments < prove(again, HOW).moments


def test_a_run_that_fails_without_a_power_cut_is_told_so() -> None:
    told = without_power_cut("update, killed", "clear", 3, "no table.")
    assert str(told) == (
        "update, killed, during the step 'clear':"
        " the process is killed there, and the next run fails: no table."
    )
