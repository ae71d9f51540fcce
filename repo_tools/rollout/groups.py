"""What a stop means for hosts, by how far they are. PURE.

What hosts that ask will be told is asked of the client's own selection, not written twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from repo_tools.rollout.change import Action, Change
from updog.manifest import Manifest
from updog.select import Chosen, Host, Policy, choose
from updog.version import Version
from waves.schedule import MAX_SEED


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts that are equally far.

    Attributes:
        name: a stable word for programs.
        what: what happens to them, for people.
    """

    name: str
    what: str


def groups(change: Change) -> tuple[Group, ...]:
    """What becomes of each group; empty for a change that stops nobody."""
    version = change.after.version
    if change.action not in {Action.HALT, Action.PAUSE}:
        return ()
    return (
        Group("waiting", _waiting(change)),
        Group(
            "downloading",
            "has chosen already: finishes the download, writes the other set and lets it boot,"
            " unless the run ends early; the next run asks anew",
        ),
        Group(
            "staged",
            f"wrote {version} by update-image: stays on what it runs until somebody calls"
            " update-apply, which asks no server",
        ),
        Group(
            "activated",
            f"boots {version} at its next reboot; update-revert on the host takes that back",
        ),
        Group("running", _running(change)),
    )


def _waiting(change: Change) -> str:
    version = change.after.version
    if change.action is Action.PAUSE:
        return (
            f"is not let in to {version} until the rollout is resumed; a host that an earlier wave"
            " has let in, and that has not asked since, still takes it. To keep those too: halt"
        )
    told = {_told(change.new, change, start) for start in _older(change)}
    others = sorted(str(other) for other in told if other is not None)
    if others:
        return f"does not get {version}; some of them may take {', '.join(others)} instead"
    return f"does not get {version} and stays on what it runs"


def _running(change: Change) -> str:
    version = change.after.version
    target = _told(change.new, change, version)
    if target is not None and target < version:
        return f"moves down to {target}, because the maximum of that update is below {version}"
    return (
        f"stays on {version}; to call these hosts back, lower the maximum of all updates with"
        " set-max-version"
    )


def _older(change: Change) -> tuple[Version, ...]:
    versions = {update.version for update in change.new.updates}
    versions.update(start for start, _ in change.new.migrations)
    return tuple(sorted(each for each in versions if each < change.after.version))


def _told(manifest: Manifest, change: Change, running: Version) -> Version | None:
    """What a host that runs ``running`` would take once all waves have passed."""
    host = Host(change.after.variant, change.after.arch, running, MAX_SEED - 1)
    outcome = choose(manifest, host, Policy(ignore_waves=True), change.now)
    return outcome.update.version if isinstance(outcome, Chosen) else None
