"""Commands of other programs, run for their effect or their answer."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

from updog.digests import IMAGE
from updog.stream import Tally


def run(command: str) -> None:
    """Run a line of bash; what it prints on the way is shown only if it fails."""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command}\nfailed: {(done.stdout + done.stderr)[-2000:]}")


def answer(command: str) -> str:
    """Run a line of bash and return what it prints."""
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def present(*names: str) -> bool:
    """Whether all of these programs are installed."""
    return all(map(shutil.which, names))


def digests(image: Path) -> dict[str, str]:
    """What a repository signs about an image itself."""
    tally = Tally(IMAGE)
    with image.open("rb") as file:
        while chunk := file.read(1 << 20):
            tally.add(chunk)
    return {f"raw_{one}": tally.hex(one) for one in IMAGE}


def digest(path: Path, length: int | None = None) -> str:
    """SHA-256 of a file or the start of a device, hex."""
    total = sha256()
    left = length if length is not None else 1 << 62
    with path.open("rb") as file:
        while left and (chunk := file.read(min(left, 1 << 20))):
            total.update(chunk)
            left -= len(chunk)
    return total.hexdigest()
