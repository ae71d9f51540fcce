"""Our pipeline beside the shell, SWUpdate, casync and zchunk: one machine, one interleaved run.

    python -m benchmarks.bench_pipeline [--old IMG --new IMG] [--rounds 5] [--work DIR]

Needs root (loop devices), nginx, lz4, zstd, openssl and curl; peers that are missing are skipped
with a word. Without images it makes two releases from this machine's own files. Each round runs
every job once, in random order, onto a loop device that holds the old image again; medians are
printed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from fixtures.os_images import Recipe, build_release
from repo_tools.blockmaps import map_lz4, pack_zstd
from repo_tools.deltas import write_delta

PORT = 8973
SLOW_PORT = 8974
SLOW_RATE = "12207k"
ROOT = Path(__file__).resolve().parents[1]
BASELINE = "fair shell"


@dataclass
class Sample:
    """One run of one job."""

    seconds: float
    busy: float
    peak_kib: int
    received: int


@dataclass
class Job:
    """One way of updating, as a shell command."""

    name: str
    command: str
    samples: list[Sample] = field(default_factory=list)


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--new", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-link", action="store_true", help="over 100 Mbit/s")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="updog-bench-"))
    work.mkdir(exist_ok=True)
    old, new = _images(options.old, options.new, work)
    _publish(work, old, new)
    with _serving(work), _loop(work, old) as (target, base):
        port = SLOW_PORT if options.slow_link else PORT
        jobs = list(_jobs(work, f"http://127.0.0.1:{port}", target, base))
        wanted = _digest(new)
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for job in random.sample(jobs, len(jobs)):
                _reset(target, old)
                job.samples.append(_measure(job.command, work))
                _check(job, target, new.stat().st_size, wanted)
    _print(jobs)
    if not options.work:
        shutil.rmtree(work)


def _images(old: Path | None, new: Path | None, work: Path) -> tuple[Path, Path]:
    if old and new:
        return old, new
    first = build_release(work / "r1", Recipe("1.0.0", 380))
    second = build_release(work / "r2", Recipe("1.1.0", 380, skip=60))
    return first.root, second.root


def _publish(work: Path, old: Path, new: Path) -> None:
    """Make what is served, unless an earlier run has left it."""
    if (work / "facts.json").exists():
        return
    _run(f"lz4 -9 -f -q {new} {work}/new.lz4")
    _run(f"lz4 -9 -f -q {old} {work}/old.lz4")
    (work / "old.blockmap").write_bytes(map_lz4(work / "old.lz4").dump())
    (work / "new.lz4.blockmap").write_bytes(map_lz4(work / "new.lz4").dump())
    with (work / "new.zst").open("wb") as sink:
        (work / "new.zst.blockmap").write_bytes(pack_zstd(new, sink, bases=[old]).dump())
    with (work / "new.zst.delta").open("wb") as sink:
        write_delta(new, old, sink)
    _run(f"zstd -3 -q -f {new} -o {work}/new.zstd3")
    if shutil.which("casync"):
        _run(f"casync make --store={work}/store.castr {work}/new.caibx {new}")
    if shutil.which("zck"):
        _run(f"cd {work} && zck -o old.zck {old} && zck -o new.zck {new}")
    raw, length = _digest(new), new.stat().st_size
    facts = {
        path.name: {
            "length": path.stat().st_size,
            "sha256": _digest(path),
            "raw_length": length,
            "raw_sha256": raw,
        }
        for path in work.glob("new.*")
        if path.is_file()
    }
    (work / "facts.json").write_text(json.dumps(facts))


def _jobs(work: Path, url: str, target: Path, base: Path) -> Iterator[Job]:
    def ours(name: str, way: str, file: str, on: str = "-", kept: str = "-") -> Job:
        child = f"{sys.executable} -m benchmarks.pipeline_child"
        return Job(name, f"cd {ROOT} && {child} {way} {url} {file} {target} {on} {kept}")

    tee = f"tee >(openssl dgst -sha256 >{work}/sum)"
    write = f"dd of={target} bs=1M conv=fsync status=none"
    yield Job(BASELINE, f"curl -sf {url}/new.lz4 | {tee} | lz4 -dc | {write}")
    yield ours("updog full, lz4", "full", "new.lz4")
    yield ours("updog full, lz4, not read back", "full+fast", "new.lz4")
    yield ours("updog full, zstd-3", "full", "new.zstd3")
    yield ours("updog full with map, lz4", "map", "new.lz4")
    yield ours("updog full with map, not read back", "map+fast", "new.lz4")
    kept = str(work / "old.blockmap")
    yield ours("updog adaptive, kept map", "adaptive", "new.zst", str(base), kept)
    yield ours("updog adaptive, scanning", "adaptive", "new.zst", str(base))
    yield ours("updog delta", "delta", "new.zst", str(base))
    yield from _peers(work, url, target, base)


def _peers(work: Path, url: str, target: Path, base: Path) -> Iterator[Job]:
    if shutil.which("casync"):
        command = f"casync extract --store={url}/store.castr --seed={base} {url}/new.caibx {target}"
        yield Job("casync", f"TMPDIR=/dev/shm {command} && sync {target}")
    else:
        print("casync is not installed: skipped", file=sys.stderr)
    if shutil.which("zck"):
        fetch = f"cd {work}/zck && rm -f new.zck && zckdl -s ../old.zck {url}/new.zck"
        write = f"dd of={target} bs=1M conv=fsync status=none"
        yield Job(
            "zchunk", f"mkdir -p {work}/zck && {fetch} >/dev/null && unzck -c new.zck | {write}"
        )
    else:
        print("zchunk is not installed: skipped", file=sys.stderr)
    if shutil.which("swupdate") and shutil.which("cpio"):
        _pack_swu(work, target)
        options = f"-l 2 -k {work}/cert.pem -H board:1.0 -M -m"
        yield Job("SWUpdate, zstd-3", f'swupdate {options} -d "-u {url}/new.swu -t 60"')
    else:
        print("swupdate or cpio is not installed: skipped", file=sys.stderr)


def _pack_swu(work: Path, target: Path) -> None:
    """Pack the zstd image as SWUpdate wants it, signed by a certificate of the day."""
    image = {
        "filename": "new.zstd3",
        "device": str(target),
        "sha256": _digest(work / "new.zstd3"),
        "compressed": "zstd",
        "installed-directly": True,
    }
    fields = "; ".join(f"{key} = {json.dumps(value)}" for key, value in image.items())
    board = 'version = "1"; hardware-compatibility: [ "1.0" ];'
    text = f"software = {{ {board} images: ( {{ {fields}; }} ); }};\n"
    (work / "sw-description").write_text(text)
    key = "-newkey rsa:2048 -nodes -subj /CN=bench -days 2 -addext extendedKeyUsage=emailProtection"
    _run(f"cd {work} && openssl req -x509 {key} -keyout key.pem -out cert.pem 2>/dev/null")
    sign = "openssl cms -sign -in sw-description -out sw-description.sig -signer cert.pem"
    _run(f"cd {work} && {sign} -inkey key.pem -outform DER -nosmimecap -binary")
    names = "sw-description\\nsw-description.sig\\nnew.zstd3\\n"
    _run(f"cd {work} && printf '{names}' | cpio -o -H crc 2>/dev/null > new.swu")


def _measure(command: str, work: Path) -> Sample:
    before, received = _busy(), _received(work)
    start = time.perf_counter()
    with (work / "output").open("w") as output:
        child = subprocess.Popen(
            ["bash", "-o", "pipefail", "-c", command],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        peak = 0
        while child.poll() is None:
            peak = max(peak, _rss(child.pid))
            time.sleep(0.02)
    seconds, busy = time.perf_counter() - start, _busy() - before
    if child.returncode:
        raise SystemExit(f"{command}\nfailed: {(work / 'output').read_text()[-2000:]}")
    return Sample(seconds, busy, peak, _received(work) - received)


def _busy() -> float:
    """Seconds that all processors were busy since the machine started."""
    user, nice, system, _idle, _wait, irq, soft, *_ = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def _received(work: Path) -> int:
    """Bytes that the server has sent, heads included; others may use the loopback as well."""
    time.sleep(0.05)
    return sum(map(int, (work / "sent").read_text().split()))


def _rss(session: int) -> int:
    """Resident KiB of all processes of a session."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * 4
    return total


def _reset(target: Path, old: Path) -> None:
    _run(f"dd if={old} of={target} bs=4M oflag=direct status=none && sync")
    _run(f"blockdev --flushbufs {target}")


def _check(job: Job, target: Path, length: int, wanted: str) -> None:
    digest = sha256()
    with target.open("rb") as device:
        while length:
            chunk = device.read(min(length, 1 << 20))
            digest.update(chunk)
            length -= len(chunk)
    if digest.hexdigest() != wanted:
        raise SystemExit(f"{job.name} wrote another image")


def _print(jobs: list[Job]) -> None:
    def median(job: Job, value: Callable[[Sample], float]) -> float:
        return statistics.median(map(value, job.samples))

    print("| way | s | ratio | busy s | ratio | peak RSS MiB | received MB |")
    print("|---|---|---|---|---|---|---|")
    shell = jobs[0]
    for job in jobs:
        pairs = list(zip(job.samples, shell.samples, strict=True))
        ratio = statistics.median(one.seconds / other.seconds for one, other in pairs)
        busy = statistics.median(one.busy / other.busy for one, other in pairs)
        print(
            f"| {job.name} | {median(job, lambda one: one.seconds):.2f} | {ratio:.2f}"
            f" | {median(job, lambda one: one.busy):.2f} | {busy:.2f}"
            f" | {median(job, lambda one: one.peak_kib) / 1024:.0f}"
            f" | {median(job, lambda one: one.received) / 1e6:.1f} |"
        )


@contextmanager
def _serving(work: Path) -> Iterator[None]:
    server = "root {root}; listen 127.0.0.1:{port}; {more}"
    fast = server.format(root=work, port=PORT, more="")
    slow = server.format(root=work, port=SLOW_PORT, more=f"limit_rate {SLOW_RATE};")
    config = work / "nginx.conf"
    config.write_text(
        f"worker_processes 1; daemon off; user root; pid {work}/nginx.pid; error_log {work}/err;\n"
        "events { worker_connections 256; }\n"
        f"http {{ log_format sent $bytes_sent; access_log {work}/sent sent; sendfile on;\n"
        "keepalive_requests 1000000; max_ranges 100000;\n"
        "large_client_header_buffers 8 64k;\n"
        f"server {{ {fast} }} server {{ {slow} }} }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-c", str(config), "-e", f"{work}/err"])
    time.sleep(0.5)
    try:
        yield
    finally:
        nginx.terminate()
        nginx.wait()


@contextmanager
def _loop(work: Path, old: Path) -> Iterator[tuple[Path, Path]]:
    """A device to update, and a read-only one that holds the old image."""
    backing = work / "target.img"
    shutil.copyfile(old, backing)
    devices = [_output(f"losetup -f --show {backing}"), _output(f"losetup -r -f --show {old}")]
    try:
        yield Path(devices[0]), Path(devices[1])
    finally:
        for device in devices:
            _run(f"losetup -d {device}")


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _run(command: str) -> None:
    subprocess.run(["bash", "-c", command], check=True)


def _output(command: str) -> str:
    return subprocess.run(
        shlex.split(command), check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
