"""Outcomes for people and for programs (docs/schemas/migrate.json, migrate-rehearse.json). PURE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from updog.datastore.tree import Datum
from updog.migrate.outcome import Journey, Migrated, Rehearsed, TreeChange, Way


def migrated_lines(done: Migrated) -> Iterator[str]:
    """What was done."""
    journey = done.journey
    if done.store is None:
        yield "There is no data store yet; nothing to migrate."
    elif journey.way is Way.STAY:
        yield f"The data store is that of {journey.end} already."
    else:
        yield f"Migrated {_told(journey)}"
        yield from (f"  {name}" for name in journey.migrations)
        yield f"In use: {done.store}"
    if done.kept is not None:
        yield f"Kept:   {done.kept}"
    yield from (f"Removed: {name}" for name in done.collected)


def rehearsed_lines(done: Rehearsed) -> Iterator[str]:
    """What would change, and what would not come back."""
    journey = done.journey
    if journey.start is None:
        yield "There is no data store yet; nothing to rehearse."
        return
    if journey.way is Way.STAY:
        yield f"The data store is that of {journey.end} already; nothing to rehearse."
        return
    yield f"Rehearsed {_told(journey)}"
    yield from (f"  {name}" for name in journey.migrations)
    yield f"Changes: {len(done.changed)}"
    for change in done.changed:
        yield from _change(change)
    if done.not_restored:
        yield f"Not restored on the way back: {len(done.not_restored)}"
        for change in done.not_restored:
            yield from _change(change)
    else:
        yield "The way back restores every value."


def migrated_tree(done: Migrated) -> dict[str, Any]:
    """What was done, for programs."""
    return {
        **_journey(done.journey),
        "store": _path(done.store),
        "kept": _path(done.kept),
        "collected": list(done.collected),
    }


def rehearsed_tree(done: Rehearsed) -> dict[str, Any]:
    """What would change, for programs."""
    return {
        **_journey(done.journey),
        "changed": [_as_tree(change) for change in done.changed],
        "not_restored": [_as_tree(change) for change in done.not_restored],
    }


def _told(journey: Journey) -> str:
    count = len(journey.migrations)
    with_what = "no migration needed" if not count else f"{count} migrations, {journey.way}:"
    return f"{journey.start} -> {journey.end}: {with_what}"


def _change(found: TreeChange) -> Iterator[str]:
    cell, before, after = found.change
    yield f"  {found.tree}: {cell}"
    if before is not None:
        yield f"    - {before.text.strip()}"
    if after is not None:
        yield f"    + {after.text.strip()}"


def _journey(journey: Journey) -> dict[str, Any]:
    return {
        "from": None if journey.start is None else str(journey.start),
        "to": str(journey.end),
        "direction": str(journey.way),
        "migrations": list(journey.migrations),
        "remarks": list(journey.remarks),
    }


def _as_tree(found: TreeChange) -> dict[str, Any]:
    cell, before, after = found.change
    return {
        "tree": found.tree,
        "key": str(cell.key),
        "metadata": cell.metadata or None,
        "before": _value(before),
        "after": _value(after),
    }


def _value(datum: Datum | None) -> dict[str, Any] | None:
    """Wrapped, so that a value of null differs from none."""
    return None if datum is None else {"value": datum.value}


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)
