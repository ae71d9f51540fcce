"""The fleet view of ten million lines: under 60 seconds and 4 GiB, as a whole process.

    python -m benchmarks.bench_fleet [--lines 10000000] [--hosts 200000] [--folder DIR]

A child process runs ``updog-repo fleet`` as an operator would, start of Python and the page with
charts included; `benchmarks.peak` takes its peak memory. Making the log is not counted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import make_access_log, peak

MOST_SECONDS = 60.0
MOST_MIB = 4096.0
THREADS = "2"


def run(log: Path, manifest: Path) -> tuple[float, float]:
    """Make a report in a process of its own: seconds and MiB."""
    words = ["fleet", str(log), "--manifest", str(manifest), "-v", make_access_log.NEW]
    words += ["--threads", THREADS, "--html", str(log.with_suffix(".html"))]
    taken = peak.run([*words, "--temp-dir", str(log.parent), "--json"])
    return taken.seconds, taken.mib


def measure(folder: Path, name: str, lines: int, hosts: int) -> bool:
    """Make a log if it is not there, and report on it; whether it is within the bounds."""
    log, manifest = folder / name, folder / "manifest.json"
    manifest.write_bytes(make_access_log.manifest())
    if not log.exists():
        make_access_log.write(log, lines, hosts, name.partition(".")[0])
    seconds, mib = run(log, manifest)
    size = log.stat().st_size / 1e6
    print(f"{name:<20}{lines:>12} lines {size:7.0f} MB  {seconds:6.1f} s  {mib:6.0f} MiB")
    return seconds < MOST_SECONDS and mib < MOST_MIB


def main() -> int:
    """Measure; 1 if a bound was broken."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--lines", type=int, default=10_000_000)
    flags.add_argument("--hosts", type=int, default=200_000)
    flags.add_argument("--folder", type=Path, help="for the logs, which are kept (a temporary one)")
    flags.add_argument("--only-make", action="store_true", help="make the logs, measure nothing")
    said = flags.parse_args()
    names = ("combined.log", "combined.log.gz", "cloudfront.log.gz")
    with TemporaryDirectory() as temporary:
        folder = said.folder or Path(temporary)
        if said.only_make:
            for name in names:
                form = name.partition(".")[0]
                make_access_log.write(folder / name, said.lines, said.hosts, form)
            return 0
        print(f"{THREADS} threads; bounds {MOST_SECONDS:.0f} s and {MOST_MIB:.0f} MiB")
        good = [measure(folder, name, said.lines, said.hosts) for name in names]
        return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
