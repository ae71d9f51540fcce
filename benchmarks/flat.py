"""Memory of an installation for images of several sizes, full of real entropy."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.pipeline_child import keep
from benchmarks.serving import serving
from benchmarks.shell import digest, digests, run
from benchmarks.tables import machine
from repo_tools.blockmaps import map_lz4

MIB = 1 << 20
_STRIDE = 16
"""One MiB in so many differs between the base and the image."""
WAYS = {
    "one stream": "full {at} new.lz4 {target} - -",
    "block map": "map {at} new.lz4 {target} - -",
    "adaptive, kept map": "adaptive {at} new.lz4 {target} {base} {kept}",
    "adaptive, scanning": "adaptive {at} new.lz4 {target} {base} -",
}


def measure_all(work: Path, sizes: list[int]) -> None:
    """Print peak RSS by way and size."""
    found: dict[str, list[int]] = {way: [] for way in WAYS}
    for mib in sizes:
        print(f"image of {mib} MiB", file=sys.stderr)
        _make(work, mib)
        with serving(work) as port:
            for way, line in WAYS.items():
                found[way].append(_peak(work, line, port, mib))
    for name in ("base.img", "target.img", "new.lz4", "new.lz4.blockmap", "facts.json"):
        (work / name).unlink(missing_ok=True)
    shutil.rmtree(work / "kept", ignore_errors=True)
    print(f"{machine()}. Peak RSS in MiB of images of random bytes, one run each.\n")
    print(f"| way | {' | '.join(f'{mib} MiB' for mib in sizes)} | spread |")
    print("|---" * (len(sizes) + 2) + "|")
    for way, peaks in found.items():
        spread = (max(peaks) - min(peaks)) / MIB
        cells = [way, *(f"{peak / MIB:.1f}" for peak in peaks), f"{spread:.1f}"]
        print(f"| {' | '.join(cells)} |")


def _peak(work: Path, line: str, port: int, mib: int) -> int:
    target = work / "target.img"
    target.unlink(missing_ok=True)
    with target.open("wb") as file:
        file.truncate(mib * MIB)
    places = {"base": work / "base.img", "kept": work / "kept", "target": target}
    arguments = line.format(at=f"http://127.0.0.1:{port}", **places)
    root = Path(__file__).resolve().parents[1]
    command = f"cd {root} && exec {sys.executable} -m benchmarks.pipeline_child {arguments}"
    return measure(command, work).peak


def _make(work: Path, mib: int) -> None:
    """An image, its map, and a base that has all of it but every sixteenth MiB."""
    image, base = work / "image.raw", work / "base.img"
    with image.open("wb") as new, base.open("wb") as old:
        for number in range(mib):
            piece = os.urandom(MIB)
            new.write(piece)
            old.write(os.urandom(MIB) if number % _STRIDE == 0 else piece)
    facts = {"raw_length": mib * MIB, **digests(image)}
    packed, packed_base = work / "new.lz4", work / "old.lz4"
    for raw, sink in ((base, packed_base), (image, packed)):
        run(f"lz4 -1 -B7 -BI -q -f {raw} {sink}")
    keep(work / "kept", map_lz4(packed_base))
    (work / "new.lz4.blockmap").write_bytes(map_lz4(packed).dump())
    image.unlink()
    packed_base.unlink()
    found = {"length": packed.stat().st_size, "sha256": digest(packed), **facts}
    blockmap = work / "new.lz4.blockmap"
    signed = {"length": blockmap.stat().st_size, "sha256": digest(blockmap), **facts}
    (work / "facts.json").write_text(json.dumps({"new.lz4": found, blockmap.name: signed}))
