"""A clean Debian in a folder, made by debootstrap from the mirror that this machine's apt uses."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

RELEASE = "bookworm"
LONG = 600
NOISE = ("var/lib/dpkg/", "var/log/", "var/cache/", "proc/", "run/")
"""What dpkg and systemctl write for themselves, and what ends with a restart."""
ENTER = """
mount -t proc proc "$0/proc"
[ -z "$1" ] || { mkdir -p "$0$1"; mount --bind "$1" "$0$1"; }
root=$0; shift
exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 "$@"
"""


@dataclass(frozen=True, slots=True)
class CleanDebian:
    """A system in a folder.

    Attributes:
        root: the folder that is its ``/``.
        shown: a folder that it sees under the same name, or None.
    """

    root: Path
    shown: Path | None = None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in there; what it mounts goes with it."""
        shown = "" if self.shown is None else str(self.shown)
        return subprocess.run(
            ["unshare", "--mount", "sh", "-ec", ENTER, str(self.root), shown, *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG,
        )

    def done(self, *command: str) -> str:
        """Run a command that must succeed; what it says."""
        done = self.run(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def files(self) -> frozenset[str]:
        """Everything that is in there, but for what dpkg keeps for itself."""
        names = (str(path.relative_to(self.root)) for path in self.root.rglob("*"))
        return frozenset(name for name in names if not f"{name}/".startswith(NOISE))


def mirror() -> str | None:
    """The mirror of this machine, or None where there is none or it does not answer."""
    fields = ["Created-By: Packages", f"Codename: {RELEASE}"]
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *fields]
    said = subprocess.run(ask, capture_output=True, text=True, check=False)
    found = [line for line in said.stdout.splitlines() if line.startswith("http")]
    return found[0] if found and answers(found[0]) else None


def answers(address: str) -> bool:
    """Whether a mirror does."""
    try:
        # The address is apt's own, and begins with http.
        with urllib.request.urlopen(f"{address}dists/{RELEASE}/Release", timeout=30):  # noqa: S310
            return True
    except (OSError, urllib.error.URLError):
        return False


def make(folder: Path, address: str, *packages: str) -> CleanDebian | None:
    """Make a system; None where the mirror has stopped to answer meanwhile."""
    root = folder / "root"
    include = f"--include={','.join(packages)}"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", include, RELEASE, str(root), address],
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG,
    )
    if made.returncode and not answers(address):
        return None
    assert made.returncode == 0, made.stdout[-2000:] + made.stderr
    return CleanDebian(root)
