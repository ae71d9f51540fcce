"""The states of an update and the commands between them, as one table (formats 10.3). PURE.

The table is the only statement of what is allowed. The service asks it, the tests go through every
pair of it, and the diagram in docs/update-api.md is drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from types import MappingProxyType


@unique
class State(StrEnum):
    """Where the machine is, in the words of the status."""

    IDLE = "Idle"
    """Nothing is to be done."""
    AVAILABLE = "Available"
    """The last refresh chose an update."""
    STAGED = "Staged"
    """An update stands on the inactive set and may be activated."""
    READY = "Ready"
    """The next boot takes that update."""


@unique
class Command(StrEnum):
    """What can be asked for, in the words of the status."""

    REFRESH = "refresh"
    PREPARE = "prepare"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"


@unique
class Refusal(Enum):
    """Why a command does not begin: upstream's exit code and the HTTP status for it."""

    BUSY = (64, 423)
    NOT_NOW = (65, 409)
    NOTHING_CHOSEN = (66, 404)
    NOTHING_STAGED = (67, 404)

    def __init__(self, code: int, http_status: int) -> None:
        self.code = code
        self.http_status = http_status


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a command may lead.

    Attributes:
        done: the states after a success; the disk and the repository decide among them.
        failed: the states after a failure.
    """

    done: tuple[State, ...]
    failed: tuple[State, ...]


_IDLE, _AVAILABLE, _STAGED, _READY = State
_LOOKED = Rule((_IDLE, _AVAILABLE), (_IDLE,))

TABLE: Mapping[State, Mapping[Command, Rule]] = MappingProxyType(
    {
        _IDLE: {Command.REFRESH: _LOOKED},
        _AVAILABLE: {
            Command.REFRESH: _LOOKED,
            Command.PREPARE: Rule((_STAGED,), (_AVAILABLE,)),
        },
        _STAGED: {
            Command.REFRESH: Rule((_STAGED,), (_STAGED,)),
            # A prepare that fails before its first write leaves the staged update; one that fails
            # later has cleared the set, and the disk says so.
            Command.PREPARE: Rule((_STAGED,), (_STAGED, _AVAILABLE, _IDLE)),
            Command.ACTIVATE: Rule((_READY,), (_STAGED,)),
        },
        _READY: {
            Command.REFRESH: Rule((_READY,), (_READY,)),
            Command.DEACTIVATE: Rule((_STAGED,), (_READY,)),
        },
    }
)


def refusal(state: State, command: Command, *, chosen: bool, staged: bool) -> Refusal | None:
    """Why a command may not begin, or None if it may.

    Args:
        state: where the machine is.
        command: what is asked for.
        chosen: whether an update is chosen; without one nothing can be prepared.
        staged: whether the inactive set holds an update.
    """
    if command not in TABLE[state]:
        return Refusal.NOT_NOW
    if command is Command.PREPARE and not chosen:
        return Refusal.NOTHING_CHOSEN
    if command in {Command.ACTIVATE, Command.DEACTIVATE} and not staged:
        return Refusal.NOTHING_STAGED
    return None


def diagram() -> str:
    """The table as a Mermaid state diagram; failures are named where they change the state."""
    return "\n".join(("stateDiagram-v2", "    [*] --> Idle", *_arrows()))


def _arrows() -> Iterator[str]:
    for state, rules in TABLE.items():
        for command, rule in rules.items():
            yield from (f"    {state} --> {each}: {command}" for each in rule.done)
            known = {state, *rule.done}
            failed = (each for each in rule.failed if each not in known)
            yield from (f"    {state} --> {each}: {command} failed" for each in failed)


def table() -> str:
    """The table as Markdown: a row for each state, a column for each command."""
    lines = [f"| state | {' | '.join(Command)} |", "|---" * (len(Command) + 1) + "|"]
    for state in State:
        cells = (_cell(TABLE[state].get(command)) for command in Command)
        lines.append(f"| {state} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rule: Rule | None) -> str:
    if rule is None:
        return "409"
    return f"{' or '.join(rule.done)}; failed: {' or '.join(rule.failed)}"
