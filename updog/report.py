"""Values to text and JSON, as formats 5.2 fixes them. PURE: nothing is printed here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from updog.manifest import Update, update_as_json
from updog.select import Chosen, Declined, Host, Policy, Verdict
from updog.timepolicy import TimeOfRun
from waves.duration import format_moment


@dataclass(frozen=True, slots=True)
class Why:
    """Everything that `updog why` shows; what could not be found out stands in `problems`.

    Attributes:
        now: the time of the run.
        host: who asks.
        policy: the rules of this host.
        verdicts: each update of the repository with what speaks against it, highest first.
        outcome: what would be chosen, or None if the repository could not be asked.
        versions: versions of the trusted metadata, by role.
        expires: when each role expires.
        boot: the boot side as JSON, or None if the disk could not be read.
        boot_lines: the boot side for people.
        problems: what could not be found out, one sentence each.
        clock: how `now` came about, or None if nobody asked.
        runs: the variant that runs, where `host` asks for another one; else empty.
    """

    now: datetime
    host: Host
    policy: Policy
    verdicts: tuple[Verdict, ...] = ()
    outcome: Chosen | Declined | None = None
    versions: Mapping[str, int] | None = None
    expires: Mapping[str, datetime] | None = None
    boot: Mapping[str, object] | None = None
    boot_lines: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    clock: TimeOfRun | None = None
    runs: str = ""


def pretty(tree: object) -> str:
    """A JSON tree over several lines."""
    return json.dumps(tree, indent=2, ensure_ascii=False)


def update_line(update: Update) -> str:
    """``VARIANT VERSION``."""
    return f"{update.variant} {update.version}"


def update_json(update: Update) -> str:
    """One update as a pretty JSON object."""
    return pretty(update_as_json(update))


def updates_text(updates: Iterable[Update]) -> str:
    """One ``VARIANT VERSION`` a line; empty without updates."""
    return "\n".join(map(update_line, updates))


def updates_json(updates: Iterable[Update]) -> str:
    """A pretty JSON array of updates, which may be empty."""
    return pretty([update_as_json(update) for update in updates])


def applied_line(update: Update) -> str:
    """What a finished update says on stdout."""
    return f"Update applied: {update_line(update)}"


def bundle_line(path: str, update: Update, length: int) -> str:
    """What a finished export says on stdout."""
    return f"Bundle written: {path}: {update_line(update)}, {length} bytes"


def bundle_json(path: str, update: Update, length: int) -> str:
    """The same for programs; docs/schemas/bundle.json describes it."""
    return pretty({"path": path, "bytes": length, "update": update_as_json(update)})


def declined_lines(declined: Declined) -> tuple[str, ...]:
    """Why there is no update, and when there will be one (D3)."""
    reason = f"Reason: {declined.message}"
    if declined.ready_at is None:
        return (reason,)
    return (reason, f"Ready at: {format_moment(declined.ready_at)}")


def why_text(why: Why) -> str:
    """One screen for people."""
    sections = (_host_lines(why), _choice_lines(why), _verdict_lines(why), _repository_lines(why))
    lines = [line for section in sections for line in section]
    lines += why.boot_lines
    lines += [f"Problem:   {problem}" for problem in why.problems]
    return "\n".join(lines)


def why_json(why: Why) -> str:
    """The same for programs."""
    return pretty(
        {
            "now": format_moment(why.now),
            "clock": _clock_tree(why.clock),
            "host": {
                "variant": why.runs or why.host.variant,
                "arch": why.host.arch,
                "version": str(why.host.version),
                "seed": why.host.seed,
            },
            "policy": _policy_tree(why),
            "choice": _outcome_tree(why.outcome),
            "updates": [_verdict_tree(verdict, why.host) for verdict in why.verdicts],
            "metadata": _metadata_tree(why),
            "boot": why.boot,
            "problems": list(why.problems),
        }
    )


def wave_of(update: Update, seed: int) -> tuple[int, int]:
    """The number of the wave that a seed belongs to, from 1, and how many there are; 0 of 0: none.

    A seed below the first wave belongs to it (formats 3.4).
    """
    waves = update.schedule.waves
    begun = sum(1 for wave in waves if wave.first_seed <= seed)
    return min(max(begun, 1), len(waves)), len(waves)


def _host_lines(why: Why) -> Sequence[str]:
    host, policy = why.host, why.policy
    lock = "none, follows the latest" if policy.version_lock is None else str(policy.version_lock)
    lines = [
        f"Running:   {why.runs or host.variant} {host.version} ({host.arch})",
        f"Seed:      {host.seed}",
        f"Lock:      {lock}",
        f"Waves:     {'ignored' if policy.ignore_waves else 'followed'}",
    ]
    if why.clock is not None:
        lines.append(f"Clock:     {why.clock.confidence}: {why.clock.sentence}")
    if why.runs or policy.forced is not None:
        asked = (f"variant {host.variant}" if why.runs else "", str(policy.forced or ""))
        lines.append(f"Asked for: {' '.join(filter(None, asked))}")
    if policy.blocked:
        lines.append(f"Blocked:   {', '.join(map(str, sorted(policy.blocked)))}")
    if policy.bad:
        lines.append(f"Bad here:  {', '.join(map(str, sorted(policy.bad)))}")
    if policy.soak:
        lines.append(f"Soak:      {policy.soak}")
    return lines


def _clock_tree(clock: TimeOfRun | None) -> dict[str, object] | None:
    if clock is None:
        return None
    floor = None if clock.floor is None else format_moment(clock.floor)
    return {"state": clock.confidence, "told": format_moment(clock.told), "floor": floor}


def _choice_lines(why: Why) -> Sequence[str]:
    match why.outcome:
        case Chosen(update):
            return [f"Choice:    {update_line(update)}"]
        case Declined(message=message, ready_at=ready_at):
            when = "" if ready_at is None else f", ready at {format_moment(ready_at)}"
            return [f"Choice:    none, because {message}{when}"]
        case _:
            return ["Choice:    unknown, the repository could not be asked"]


def _verdict_lines(why: Why) -> Sequence[str]:
    if why.outcome is None:
        return []
    if not why.verdicts:
        return ["Updates:   none in the repository"]
    lines = ["Updates:"]
    for verdict in why.verdicts:
        mark = "+" if verdict.accepted else "-"
        lines.append(f"  {mark} {update_line(verdict.update)} {_wave_text(verdict, why.host)}")
        lines += [f"      {reason}" for reason in verdict.reasons]
    return lines


def _wave_text(verdict: Verdict, host: Host) -> str:
    number, count = wave_of(verdict.update, host.seed)
    if verdict.ready_at is None or not count:
        return "(no waves)"
    return f"(wave {number} of {count}, ready at {format_moment(verdict.ready_at)})"


def _repository_lines(why: Why) -> Sequence[str]:
    if not why.versions:
        return []
    lines = ["Metadata:"]
    for role, version in why.versions.items():
        moment = (why.expires or {}).get(role)
        until = "" if moment is None else f", expires {format_moment(moment)}"
        lines.append(f"  {role} {version}{until}")
    return lines


def _policy_tree(why: Why) -> Mapping[str, object]:
    policy = why.policy
    return {
        "variant": why.host.variant if why.runs else None,
        "version_lock": None if policy.version_lock is None else str(policy.version_lock),
        "ignore_waves": policy.ignore_waves,
        "forced": None if policy.forced is None else str(policy.forced),
        "blocked_versions": [str(version) for version in sorted(policy.blocked)],
        "bad_versions": [str(version) for version in sorted(policy.bad)],
        "soak_seconds": int(policy.soak.total_seconds()),
    }


def _outcome_tree(outcome: Chosen | Declined | None) -> Mapping[str, object] | None:
    match outcome:
        case Chosen(update):
            return {"version": str(update.version), "reason": None, "ready_at": None}
        case Declined(reason, message, ready_at, _):
            moment = None if ready_at is None else format_moment(ready_at)
            return {
                "version": None,
                "reason": reason.value,
                "message": message,
                "ready_at": moment,
            }
        case _:
            return None


def _verdict_tree(verdict: Verdict, host: Host) -> Mapping[str, object]:
    number, count = wave_of(verdict.update, host.seed)
    return {
        "variant": verdict.update.variant,
        "arch": verdict.update.arch,
        "version": str(verdict.update.version),
        "chosen": verdict.accepted,
        "wave": number,
        "waves": count,
        "ready_at": None if verdict.ready_at is None else format_moment(verdict.ready_at),
        "objections": [
            {"reason": objection.reason.value, "message": objection.text}
            for objection in verdict.objections
        ],
    }


def _metadata_tree(why: Why) -> Mapping[str, object]:
    expires = why.expires or {}
    return {
        role: {
            "version": version,
            "expires": format_moment(expires[role]) if role in expires else None,
        }
        for role, version in (why.versions or {}).items()
    }
