"""One question about a rollout, answered. PURE; needs NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from repo_tools.simulation import model
from repo_tools.simulation.figures import Run, Simulation, bands
from repo_tools.simulation.readiness import Rule, ready_seconds
from waves.duration import whole_second
from waves.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Question:
    """What to simulate.

    Attributes:
        title: for people.
        schedule: the waves.
        origin: when the update appears.
        fleet: hosts, at least one.
        poll: seconds between two polls of a host.
        image_bytes: what a host downloads; None: no egress is told.
        rules: whose rules to follow.
        chance: the same number draws the same fleet.
    """

    title: str
    schedule: Schedule
    origin: datetime
    fleet: int
    poll: int
    image_bytes: int | None = None
    rules: Sequence[Rule] = (Rule.OURS,)
    chance: int = 0


def simulate(question: Question) -> Simulation:
    """Draw the fleet and let it update, by each rule in turn."""
    fleet = fleet_of(question)
    runs = tuple(
        Run(
            rule,
            model.figures(
                model.taken(fleet, ready_seconds(question.schedule, rule, question.origin))
            ),
        )
        for rule in question.rules
    )
    return answer(question, model.held(fleet), runs)


def simulate_change(
    question: Question, before: Sequence[int], after: Sequence[int], change: datetime
) -> tuple[Simulation, Simulation]:
    """The rollout if nothing is done, and if it is changed under way; by the first rule.

    Args:
        question: the fleet, and the waves before the change.
        before: for each seed, the second at which it is let in without the change.
        after: the same with it.
        change: the moment from which hosts see it.
    """
    fleet, rule = fleet_of(question), question.rules[0]
    held = model.held(fleet)
    unchanged = model.taken(fleet, before)
    seconds = max(0, (whole_second(change) - question.origin) // timedelta(seconds=1))
    changed = model.taken_after(fleet, unchanged, after, seconds)
    left = answer(question, held, (Run(rule, model.figures(unchanged)),))
    return left, answer(question, held, (Run(rule, model.figures(changed)),))


def fleet_of(question: Question) -> model.Fleet:
    """The fleet that the question's number draws."""
    chance = np.random.default_rng(question.chance)
    return model.draw(question.fleet, question.poll, chance)


def answer(question: Question, held: tuple[int, ...], runs: tuple[Run, ...]) -> Simulation:
    """Runs with what was asked."""
    return Simulation(
        question.title,
        question.origin,
        question.fleet,
        question.poll,
        question.image_bytes,
        bands(question.schedule, held),
        runs,
    )
