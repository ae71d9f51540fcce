"""An operator's rollout policy: TOML to `Policy`, and `Policy` with a base time to `Schedule`.

    [[waves]]
    start_after = "1 hour"     # or an RFC 3339 moment
    fleet_percentage = 5       # of the fleet, cumulative, reached when this wave is over

    [[waves]]
    start_after = "1 day"
    fleet_percentage = 100
    spread_over = "12 hours"   # last wave only, optional: over which its hosts spread

A policy must not silently mean something other than its author thinks, so whatever is not exactly
of this form is refused (formats 3.2).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from waves.duration import (
    counted_from,
    format_moment,
    in_utc,
    parse_offset,
    parse_offset_or_moment,
    quoted,
    whole_second,
)
from waves.errors import WaveError
from waves.schedule import MAX_SEED, Schedule, Wave

WHOLE_FLEET = 100
"""Percent; where the last wave of every policy ends."""

MAX_CHARACTERS = 64 * 1024
"""Of a policy file; one with a wave for each percent has less than a tenth."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP_KEYS = frozenset({"start_after", "fleet_percentage", "spread_over"})


@dataclass(frozen=True, slots=True)
class Step:
    """One wave of a policy.

    Args:
        start: when it begins, counted from the base time or as a fixed moment.
        percent: 1 to 100, the share of the fleet reached when it is over, earlier waves included.

    Raises:
        WaveError: a percentage out of range, or a moment without a time zone.
    """

    start: timedelta | datetime
    percent: int

    def __post_init__(self) -> None:
        if not 1 <= self.percent <= WHOLE_FLEET:
            raise WaveError("fleet_percentage must be 1 to 100")
        if isinstance(self.start, datetime):
            object.__setattr__(self, "start", in_utc(self.start))


@dataclass(frozen=True, slots=True)
class Policy:
    """Waves in their order; the last reaches the whole fleet.

    Args:
        steps: at least one; percentages strictly increase to 100, and so do starts.
        spread_over: how long the hosts of the last wave spread; None: they all come at its start.

    Raises:
        WaveError: the steps break one of these rules.
    """

    steps: tuple[Step, ...]
    spread_over: timedelta | None = None

    def __post_init__(self) -> None:
        if not self.steps:
            raise WaveError("there is no [[waves]] entry; a policy needs at least one")
        _check_percentages(self.steps)
        _check_starts(self.steps)
        if self.spread_over is not None and self.spread_over <= timedelta(0):
            raise WaveError("spread_over must be longer than nothing")


def parse_policy(text: str, where: str) -> Policy:
    """The policy that a TOML text holds.

    Args:
        text: the text of the file.
        where: the file's name, for messages.

    Raises:
        WaveError: not TOML, or not exactly a policy; the message names file and entry.
    """
    try:
        return _policy(_tables(text))
    except WaveError as error:
        raise WaveError(f"{where}: {error}") from None


def to_schedule(policy: Policy, base: datetime) -> Schedule:
    """The waves of an update published with this policy (formats 3.3).

    Starts are rounded up to whole seconds, which is how they are written.

    Args:
        policy: the operator's wish.
        base: what offsets count from; with a time zone.

    Raises:
        WaveError: a start lies outside the calendar, or starts do not increase once offsets and
            fixed moments stand on one time line.
    """
    starts = [whole_second(counted_from(step.start, base)) for step in policy.steps]
    if policy.spread_over is not None:
        starts.append(whole_second(counted_from(policy.spread_over, starts[-1])))
    _check_moments(starts)
    keys = [0, *(step.percent * MAX_SEED // WHOLE_FLEET for step in policy.steps)]
    # Without a closing wave the last percentage makes no key: the final window has no end.
    return Schedule(tuple(Wave(key, at) for key, at in zip(keys, starts, strict=False)))


def _tables(text: str) -> list[dict[str, object]]:
    if len(text) > MAX_CHARACTERS:
        raise WaveError(f"{len(text)} characters, more than the {MAX_CHARACTERS} of a policy")
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # Not only TOMLDecodeError: endless digits are a plain ValueError, deep nesting the other.
        raise WaveError(f"not TOML: {error}") from None
    unknown = document.keys() - {"waves"}
    if unknown:
        raise WaveError(f"unknown key {quoted(min(unknown))}; a policy has only [[waves]] entries")
    tables = document.get("waves", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise WaveError("'waves' must be written as [[waves]] entries")
    return tables


def _policy(tables: list[dict[str, object]]) -> Policy:
    steps: list[Step] = []
    spread_over: timedelta | None = None
    for number, table in enumerate(tables, start=1):
        try:
            steps.append(_step(table))
            spread_over = _spread(table, is_last=number == len(tables))
        except WaveError as error:
            raise WaveError(f"waves entry {number}: {error}") from None
    return Policy(tuple(steps), spread_over)


def _step(table: dict[str, object]) -> Step:
    unknown = table.keys() - _STEP_KEYS
    if unknown:
        known = ", ".join(sorted(_STEP_KEYS))
        raise WaveError(f"unknown key {quoted(min(unknown))}; known are {known}")
    for key in ("start_after", "fleet_percentage"):
        if key not in table:
            raise WaveError(f"{key} is missing")
    return Step(_start(table["start_after"]), _percent(table["fleet_percentage"]))


def _start(value: object) -> timedelta | datetime:
    # TOML has moments of its own; one with a time zone says the same as the string.
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise WaveError("start_after must be a string such as '4 hours' or an RFC 3339 moment")
    try:
        return parse_offset_or_moment(value)
    except WaveError as error:
        raise WaveError(f"start_after: {error}") from None


def _percent(value: object) -> int:
    # In Python a boolean is an integer; in a policy it is a mistake.
    if not isinstance(value, int) or isinstance(value, bool):
        raise WaveError("fleet_percentage must be a whole number from 1 to 100")
    return value


def _spread(table: dict[str, object], *, is_last: bool) -> timedelta | None:
    if "spread_over" not in table:
        return None
    if not is_last:
        raise WaveError(
            "spread_over belongs to the last entry only; others end where the next starts"
        )
    value = table["spread_over"]
    if not isinstance(value, str):
        raise WaveError("spread_over must be a string such as '12 hours'")
    try:
        return parse_offset(value)
    except WaveError as error:
        raise WaveError(f"spread_over: {error}") from None


def _check_percentages(steps: tuple[Step, ...]) -> None:
    for number, (earlier, later) in enumerate(pairwise(steps), start=2):
        if earlier.percent >= later.percent:
            raise WaveError(
                f"waves entry {number}: fleet_percentage {later.percent} must be above the"
                f" {earlier.percent} of the entry before; percentages are cumulative"
            )
    if steps[-1].percent != WHOLE_FLEET:
        raise WaveError(
            f"waves entry {len(steps)}: the last fleet_percentage must be 100,"
            f" not {steps[-1].percent}; otherwise hosts would be left out"
        )


def _check_starts(steps: tuple[Step, ...]) -> None:
    """Offsets increase among themselves, and so do moments; the rest needs the base time."""
    latest: dict[bool, timedelta] = {}
    for number, step in enumerate(steps, start=1):
        is_moment = isinstance(step.start, datetime)
        start = step.start - _EPOCH if isinstance(step.start, datetime) else step.start
        if is_moment in latest and start <= latest[is_moment]:
            raise WaveError(f"waves entry {number}: it must start after the entries before it")
        latest[is_moment] = start


def _check_moments(starts: list[datetime]) -> None:
    for number, (earlier, later) in enumerate(pairwise(starts), start=2):
        if earlier >= later:
            raise WaveError(
                f"waves entry {number} would start at {format_moment(later)}, which is not after"
                f" the entry before it ({format_moment(earlier)})"
            )
