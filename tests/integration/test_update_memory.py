"""Peak memory of the real command, from the question to the set that boots next."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from fixtures.machine import make_machine
from fixtures.os_images import Recipe, build_release
from fixtures.publisher import Publisher
from tests.integration.conftest import SEED, World

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
LIMIT = 64 * MIB
CONTENT_MIB = 200
TAKEN_AWAY = {"delta": "", "adaptive": "delta", "full": "blockmap"}
"""What goes from the repository so that a way is the cheapest that is left."""

UPDOG = """
import sys
from pathlib import Path
from updog.__main__ import run
code = run()
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, *(name for name in sys.modules if sys.modules[name]))
sys.exit(code)
"""


def run(config: Path, *arguments: str) -> tuple[int, set[str], str]:
    """Bytes of memory at the most, the modules that were loaded, and what was logged."""
    command = [sys.executable, "-c", UPDOG, "--config", str(config), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak, *modules = done.stdout.splitlines()[-1].split()
    return int(peak), set(modules), done.stderr


@pytest.mark.slow(seconds=60)
def test_an_update_of_large_images_stays_small(tmp_path: Path) -> None:
    old = build_release(tmp_path / "old", Recipe("1.0.0", CONTENT_MIB))
    new = build_release(tmp_path / "new", Recipe("1.1.0", CONTENT_MIB, skip=CONTENT_MIB // 5))
    assert new.root.stat().st_size > CONTENT_MIB * MIB
    publisher = Publisher.create(tmp_path / "repository", datetime.now(UTC))
    publisher.release(new, delta_from=old)
    peaks = {}
    with publisher.serving() as url:
        for way, kind in TAKEN_AWAY.items():
            for file in publisher.published.rglob(f"*root*.{kind}"):
                file.unlink()
            home = tmp_path / way
            root_json = publisher.root_json()
            machine = make_machine(home, old, seed=SEED, root_json=root_json, url=url)
            peaks[way], _, told = run(machine.config, "--log-level", "debug", "update", "--now")
            # Of the three images, the large one is meant.
            receipts = [line for line in told.splitlines() if "Receipt(" in line]
            assert any("root" in line and f"Way.{way.upper()}" in line for line in receipts)
            machine.disk.unlink()
    assert max(peaks.values()) <= LIMIT, peaks


def test_what_only_signing_needs_is_not_loaded(world: World) -> None:
    assert find_spec("boto3"), "the TUF library would have nothing to load"
    _, modules, _ = run(world.machine.config, "update", "--now")
    assert not {"boto3", "botocore", "pkcs11"} & modules
