"""What the exit codes of each command mean (formats 5.3, D12): for man pages and the docs. PURE.

The errors bring the numbers themselves (`updog.errors`, `partitions.errors`); a test holds this
list against them.
"""

from __future__ import annotations

from typing import NamedTuple


class ExitCode(NamedTuple):
    """One code.

    Attributes:
        code: the number.
        meaning: when a command ends with it.
        todo: what to do next; empty where there is nothing to do.
    """

    code: int
    meaning: str
    todo: str = ""


INTERRUPTED = ExitCode(130, "interrupted from the keyboard")
TERMINATED = ExitCode(143, "ended by SIGTERM, in the same order as from the keyboard")
UPDOG = (
    ExitCode(0, "done, or an update is available, or there is nothing to do"),
    ExitCode(1, "no update available (`check-update` only)"),
    ExitCode(64, "usage", "correct the command line"),
    ExitCode(
        65,
        "bad or untrusted data: a signature, hash, expiry, version or the manifest; a damaged"
        " partition table",
        "ask the publisher; the running set is untouched",
    ),
    ExitCode(69, "the repository is unreachable, lacks a file, or broke off", "try again later"),
    ExitCode(70, "internal error", "report it; `--verbose` shows where"),
    ExitCode(74, "a device, file or the state directory failed", "look at the disk"),
    ExitCode(
        75,
        "busy or not yet: another run holds the lock, the running boot is not confirmed, or the"
        " boot bits do not allow the change",
        "wait, or do what the hint says",
    ),
    ExitCode(
        76,
        "a required health check became worse; the running boot is not confirmed",
        "see which one, mend it, or let the machine fall back",
    ),
    ExitCode(77, "a permission is missing", "run as root"),
    ExitCode(
        78,
        "the configuration or the host's identity is unusable; the reboot command failed",
        "correct the configuration",
    ),
    INTERRUPTED,
    TERMINATED,
)
UPDOG_REPO = (
    ExitCode(0, "done"),
    ExitCode(1, "`check-expirations`: something expires soon; `validate`: only warnings"),
    ExitCode(2, "`check-expirations`: something expires very soon, or has expired"),
    ExitCode(64, "usage", "correct the command line"),
    ExitCode(
        65,
        "bad input: an image, a policy, a draft with faults, a root that does not hold together;"
        " `validate` and `reachability` found an error",
        "the message names each fault",
    ),
    ExitCode(69, "a place to publish to or to look at is unreachable", "try again later"),
    ExitCode(70, "internal error", "report it; `--verbose` shows where"),
    ExitCode(74, "a file could not be read or written", "look at the disk"),
    ExitCode(75, "another updog-repo works on the same repository", "wait for its end"),
    ExitCode(77, "a permission is missing", "run as the owner of the repository"),
    ExitCode(
        78,
        "a private key is missing, unreadable or unknown to the root; an extra is not installed",
        "put it in place",
    ),
    INTERRUPTED,
    ExitCode(141, "nobody reads the output any more"),
)
SIGNPOST = (
    ExitCode(0, "done"),
    ExitCode(1, "it failed, and the message says why; the boot bits are as they were"),
    ExitCode(2, "usage", "correct the command line"),
)
APICLIENT = (
    ExitCode(0, "done"),
    ExitCode(1, "nobody answers, the service refused, or the command failed"),
    ExitCode(2, "usage", "correct the command line"),
    INTERRUPTED,
)
FLEET = (
    ExitCode(0, "done"),
    ExitCode(64, "the command line is wrong, or there is no such node or fleet"),
    ExitCode(69, "the API server does not answer, or refuses"),
    ExitCode(70, "internal error, or the extra `kubernetes` is not installed"),
    ExitCode(78, "a kubeconfig or a setting is unusable"),
    INTERRUPTED,
    ExitCode(141, "nobody reads the output any more"),
)
ECS = (
    ExitCode(0, "nothing failed; also: nothing to do, or another updater is at work"),
    ExitCode(1, "an update failed, or AWS refused a request for a reason not listed here"),
    ExitCode(3, "an instance could not be given back; nothing more was begun"),
    ExitCode(64, "the command line is wrong"),
    ExitCode(69, "AWS does not answer, or throttles for longer than we try"),
    ExitCode(70, "internal error, or the extra `ecs` is not installed"),
    ExitCode(75, "a version failed on too many instances: halted"),
    ExitCode(77, "a permission is missing"),
    ExitCode(78, "the cluster, documents, region or credentials are wrong"),
    ExitCode(143, "told to stop; everything was given back"),
)
