"""Asking the repository: what it offers, and which update is for this host. Installs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from updog import select
from updog.health.bad import bad_versions
from updog.lock import RunLock
from updog.manifest import Manifest, Update
from updog.offered import offered_to
from updog.select import Chosen, Declined, Policy
from updog.version import Version
from updog.visitor import Visitor, Wish, connect, log_warnings, read_manifest, shipped_root

__all__ = [
    "Seen",
    "Visitor",
    "Wish",
    "available",
    "check",
    "connect",
    "log_warnings",
    "policy",
    "read_manifest",
    "see",
    "shipped_root",
]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the repository told.

    Attributes:
        available: every update that this host could take now, highest first.
        outcome: the one that it should take.
    """

    available: tuple[Update, ...]
    outcome: Chosen | Declined


def check(env: Visitor, wish: Wish) -> Chosen | Declined:
    """Ask the repository which update this host should take now.

    Raises:
        UpdogError: see `connect` and `read_manifest`; BusyError while another run is at work.
    """
    with RunLock(env.settings.paths.lock):
        offered = offered_to(env)
        return select.choose(offered, env.host, policy(env, wish, offered), env.now)


def available(env: Visitor, wish: Wish) -> tuple[Update, ...]:
    """Ask the repository for every update that this host could take now, highest first.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        offered = offered_to(env)
        return select.applicable(offered, env.host, policy(env, wish, offered), env.now)


def see(env: Visitor, wish: Wish) -> Seen:
    """Both of them, from one look at the repository.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        offered = offered_to(env)
        rules = policy(env, wish, offered)
        return Seen(
            select.applicable(offered, env.host, rules, env.now),
            select.choose(offered, env.host, rules, env.now),
        )


def policy(env: Visitor, wish: Wish, offered: Manifest | None = None) -> Policy:
    """The rules of selection: configuration, what failed here, and what this run was asked for.

    Args:
        env: who asks.
        wish: what this run was asked for.
        offered: what the repository offers, where that is known; for the soak.

    Raises:
        StorageError, PermissionDenied: what failed here cannot be read.
    """
    settings = env.settings
    return Policy(
        version_lock=settings.version_lock,
        ignore_waves=settings.ignore_waves or wish.ignore_waves,
        forced=wish.image,
        blocked=settings.blocked_versions,
        bad=bad_versions(settings.paths.health),
        soak=settings.soak,
        seen=_seen(env, offered) if settings.soak and offered is not None else {},
    )


def _seen(env: Visitor, offered: Manifest) -> Mapping[Version, datetime]:
    """When this host was first offered each of its versions."""
    from updog.seen import first_seen  # noqa: PLC0415 - start-up: few soak

    who = (env.host.variant, env.host.arch)
    mine = [each.version for each in offered.updates if (each.variant, each.arch) == who]
    return first_seen(env.settings.paths.seen, mine, env.now)
