"""Our pipeline beside the shell, RAUC, SWUpdate, casync and zchunk: one interleaved run.

    python -m benchmarks.pipeline [loopback|link|memory] [--old IMG --new IMG] [--work DIR]

As root the target is a loop device, otherwise a file. nginx, lz4, zstd, openssl and curl are
needed; peers that are missing are skipped with a word. Without images it makes two releases from
this machine's own files. Each round runs every way once, in random order, onto a target that holds
the old image again; what it wrote is compared with the new image; medians are printed, as markdown.
``link`` does the same over 100 Mbit/s; ``memory`` shows that memory does not grow with the image.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import flat, goals, tables
from benchmarks.measure import Sample, measure
from benchmarks.peers import Place, pack, peers
from benchmarks.pipeline_child import keep
from benchmarks.serving import RATE, link_to, serving
from benchmarks.shell import answer, digest, digests, present, run
from benchmarks.trees import build_pair
from repo_tools.blockmaps import map_lz4, pack_zstd
from repo_tools.deltas import write_delta

ROOT = Path(__file__).resolve().parents[1]
NEEDED = ("nginx", "lz4", "zstd", "openssl", "curl", "mke2fs")


@dataclass
class Job:
    """One way of updating, as a line of bash.

    Attributes:
        name: as it stands in the table.
        command: the line.
        service: a process that works for it.
        slow: one round is enough.
        before: the image that the target holds before.
    """

    name: str
    command: str
    before: Path
    service: int | None = None
    slow: bool = False
    samples: list[Sample] = field(default_factory=list)


def main() -> None:
    """Prepare, measure, print."""
    options = _options()
    missing = [name for name in NEEDED if not present(name)]
    if missing:
        raise SystemExit(f"Please install {', '.join(missing)}.")
    work = options.work or Path(tempfile.mkdtemp(prefix="updog-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    if options.what == "memory":
        flat.measure_all(work, options.sizes)
    else:
        _compare(options, work)
    if not options.work:
        shutil.rmtree(work)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the image pipeline beside its peers.")
    parser.add_argument(
        "what", nargs="?", choices=("loopback", "link", "memory"), default="loopback"
    )
    parser.add_argument("--old", type=Path, help="the image that is installed")
    parser.add_argument("--new", type=Path, help="the image to install")
    parser.add_argument("--work", type=Path, help="folder for what is made; used again if given")
    parser.add_argument("--mib", type=int, default=512, help="size of images that are made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true", help="ours and the shell only")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 1024, 4096], help="memory: MiB of images"
    )
    return parser.parse_args()


def _compare(options: argparse.Namespace, work: Path) -> None:
    old, new = options.old, options.new
    if not (old and new):
        old, new = build_pair(work, options.mib)
    _publish(work, old, new, peers_too=not options.no_peers)
    with ExitStack() as stack:
        port = stack.enter_context(serving(work))
        if options.what == "link":
            port = stack.enter_context(link_to(port))
        target, base = stack.enter_context(_devices(work, old))
        place = Place(work, f"http://127.0.0.1:{port}", target, base)
        jobs = list(_ours(place, old, new))
        if options.what == "link":
            jobs = [job for job in jobs if job.name not in goals.NOT_OVER_LINK]
        if not options.no_peers:
            jobs.extend(
                Job(peer.name, peer.command, old, peer.service, peer.slow)
                for peer in peers(place, stack)
            )
        _rounds(jobs, options.rounds, place, new)
    runs = {job.name: job.samples for job in jobs}
    reached = goals.link(runs, RATE) if options.what == "link" else goals.loopback(runs)
    tables.show(runs, list(reached), tables.describe(options.what, old, new, options.rounds))


def _publish(work: Path, old: Path, new: Path, *, peers_too: bool) -> None:
    """Make what is served, unless an earlier run has left it."""
    if (work / "facts.json").exists():
        return
    print("packing the images; this takes some minutes", file=sys.stderr)
    run(f"lz4 -9 -f -q {new} {work}/new.lz4")
    run(f"lz4 -9 -f -q {old} {work}/old.lz4")
    keep(work / "kept", map_lz4(work / "old.lz4"))
    (work / "old.lz4").unlink()
    (work / "new.lz4.blockmap").write_bytes(map_lz4(work / "new.lz4").dump())
    with (work / "new.zst").open("wb") as sink:
        (work / "new.zst.blockmap").write_bytes(pack_zstd(new, sink, bases=[old]).dump())
    with (work / "new.zst.delta").open("wb") as sink:
        write_delta(new, old, sink)
    run(f"zstd -3 -q -f {new} -o {work}/new.zstd3")
    if peers_too:
        pack(work, old, new)
    _write_facts(work, new)


def _write_facts(work: Path, new: Path) -> None:
    """What a repository would have signed."""
    raw, length = digests(new), new.stat().st_size
    names = [name for name in work.glob("new.*") if name.is_file() and name != new]
    facts = {
        path.name: {
            "length": path.stat().st_size,
            "sha256": digest(path),
            "raw_length": length,
            **raw,
        }
        for path in names
    }
    (work / "facts.json").write_text(json.dumps(facts))


def _ours(place: Place, old: Path, new: Path) -> Iterator[Job]:
    def ours(name: str, way: str, file: str, *more: object, before: Path = old) -> Job:
        on, kept = [*map(str, more), "-", "-"][:2]
        child = f"{sys.executable} -m benchmarks.pipeline_child"
        line = f"cd {ROOT} && exec {child} {way} {place.url} {file} {place.target} {on} {kept}"
        return Job(name, line, before)

    tee = f"tee >(openssl dgst -sha256 >{place.work}/sum)"
    shell = f"curl -sf {place.url}/new.lz4 | {tee} | lz4 -dc | {place.write}"
    yield Job(goals.SHELL, shell, old)
    yield ours(goals.STREAM, "full", "new.lz4")
    yield ours(goals.STREAM_BLIND, "full+fast", "new.lz4")
    yield ours(goals.ZSTD, "full", "new.zstd3")
    yield ours(goals.MAPPED, "map", "new.lz4")
    yield ours(goals.MAPPED_BLIND, "map+fast", "new.lz4")
    yield ours(goals.ADAPTIVE, "adaptive", "new.zst", place.base, place.work / "kept")
    yield ours(goals.SCANNING, "adaptive", "new.zst", place.base)
    yield ours(goals.DELTA, "delta", "new.zst", place.base)
    yield ours(goals.AGAIN, "full", "new.lz4", before=new)


def _rounds(jobs: list[Job], rounds: int, place: Place, new: Path) -> None:
    wanted, length = digest(new), new.stat().st_size
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        for job in random.sample(jobs, len(jobs)):
            if job.slow and job.samples:
                continue
            _reset(place.target, job.before)
            job.samples.append(measure(job.command, place.work, job.service))
            if digest(place.target, length) != wanted:
                raise SystemExit(f"{job.name} wrote another image")


def _reset(target: Path, image: Path) -> None:
    run(f"dd if={image} of={target} bs=4M conv=notrunc oflag=direct status=none && sync")
    if target.is_block_device():
        run(f"blockdev --flushbufs {target}")


@contextmanager
def _devices(work: Path, old: Path) -> Iterator[tuple[Path, Path]]:
    """What to update, and what holds the old image: loop devices for root, else files."""
    backing = work / "target.img"
    shutil.copyfile(old, backing)
    if os.geteuid():
        yield backing, old
        return
    with ExitStack() as stack:
        devices = []
        for options in (str(backing), f"-r {old}"):
            device = answer(f"losetup -f --show {options}")
            stack.callback(run, f"losetup -d {device}")
            devices.append(Path(device))
        yield devices[0], devices[1]


if __name__ == "__main__":
    main()
