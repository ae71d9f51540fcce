"""Access logs of a made-up fleet in the middle of a rollout.

    python -m benchmarks.make_access_log LOG [--lines N] [--hosts N] [--format NAME]

The same flags give the same bytes. Every host asks for the metadata four times a day; when its turn
in the waves of the shipped policy `default` has come, it fetches three images, and after that most
hosts report the new release, some go on with the old one and some are never heard again. A few
lines are damaged, and a few are from strangers who try what strangers try.
"""

from __future__ import annotations

import argparse
import gzip
import heapq
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TextIO

from updog.manifest import Images, Manifest, Update, dump
from updog.version import Version
from waves.policy import to_schedule
from waves.schedule import Schedule
from waves.shipped import read_shipped

BEGIN = datetime(2031, 4, 7, 9, tzinfo=UTC)
OLD, NEW = "1.0.0", "1.1.0"
POLL = 6 * 3600
IMAGES = (
    ("boot.ext4.lz4", 9_000_000),
    ("root.ext4.lz4", 310_000_000),
    ("root.verity.lz4", 700_000),
)
HEX = "0123456789abcdef"
STRANGERS = (
    "GET /wp-login.php HTTP/1.1",
    "GET /?q=<script>alert(1)</script> HTTP/1.1",
    "GET /targets/x.img?seed=1&version=<img+src=x+onerror=alert(1)> HTTP/1.1",
)
DAMAGED = (
    "\\x16\\x03\\x01 no line of a log",
    "10.0.0.1 - - [99/Foo/2031:25:61:61 +0000] </pre><script>alert(2)</script>",
)


@dataclass(slots=True)
class Host:
    """One machine: where it is, its seed, when its turn is, and what becomes of it."""

    ip: str
    seed: int
    ready: float
    fate: float
    version: str = OLD


Line = Callable[[datetime, str, str, int, int], str]


def combined(at: datetime, ip: str, request: str, status: int, size: int) -> str:
    """A line as nginx and Apache write it."""
    moment = f"{at:%d/%b/%Y:%H:%M:%S} +0000"
    return f'{ip} - - [{moment}] "{request}" {status} {size} "-" "updog"'


def cloudfront(at: datetime, ip: str, request: str, status: int, size: int) -> str:
    """A line as CloudFront writes it (the first twelve columns)."""
    method, _, rest = request.partition(" ")
    path, _, query = rest.split(" ")[0].partition("?")
    query = query.replace("%", "%25") or "-"
    when = f"{at:%Y-%m-%d}\t{at:%H:%M:%S}"
    head = f"{when}\tFRA56-P1\t{size}\t{ip}\t{method}\td1.cloudfront.net\t{path}"
    return f"{head}\t{status}\t-\tupdog\t{query}"


def s3(at: datetime, ip: str, request: str, status: int, size: int) -> str:
    """A line as S3 writes it."""
    moment = f"{at:%d/%b/%Y:%H:%M:%S} +0000"
    head = f"79a59df900b949e5 updates [{moment}] {ip} - 3E57427F33A59F07 REST.GET.OBJECT key"
    return f'{head} "{request}" {status} - {size} {size} 12 10 "-" "updog" -'


FORMATS: dict[str, Line] = {"combined": combined, "cloudfront": cloudfront, "s3": s3}
CLOUDFRONT_HEAD = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host)"
    " cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query\n"
)


def fleet(count: int, chance: Random, schedule: Schedule) -> list[Host]:
    """Hosts with addresses, seeds and fates drawn by chance."""
    hosts = []
    for _ in range(count):
        seed = chance.randrange(2048)
        ready = schedule.ready_at(seed) or BEGIN
        ip = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        hosts.append(Host(ip, seed, (ready - BEGIN).total_seconds(), chance.random()))
    return hosts


def requests(hosts: list[Host], chance: Random) -> Iterator[tuple[float, Host, str, int]]:
    """Endless requests in the order of time: seconds since the begin, host, request, bytes."""
    queue = [(chance.random() * POLL, number) for number in range(len(hosts))]
    heapq.heapify(queue)
    while queue:
        at, number = heapq.heappop(queue)
        host = hosts[number]
        asks = f"seed={host.seed}&version={host.version}"
        yield at, host, f"GET /edge/x86_64/timestamp.json?{asks} HTTP/1.1", 512
        if host.version == OLD and at >= host.ready and host.fate > 0.01:
            told = f"migrations=manifest.json&seed={host.seed}&target={NEW}&version={OLD}"
            for name, size in IMAGES:
                yield at, host, f"GET /targets/{HEX * 4}.{name}?{told} HTTP/1.1", size
            if host.fate < 0.015:
                continue  # never heard again
            if host.fate > 0.025:
                host.version = NEW
        heapq.heappush(queue, (at + POLL, number))


def lines(count: int, hosts: int, line: Line, seed: int = 1) -> Iterator[str]:
    """The lines of a log, damaged ones among them."""
    chance = Random(seed)  # noqa: S311 - chance that can be played again
    schedule = to_schedule(read_shipped("default"), BEGIN)
    made = fleet(hosts, chance, schedule)
    stream = requests(made, chance)
    for number in range(count):
        if number % 10_000 == 9_999:
            yield chance.choice(DAMAGED)
            continue
        since, host, request, size = next(stream)
        if number % 5_000 == 4_999:
            yield line(BEGIN + timedelta(seconds=since), host.ip, chance.choice(STRANGERS), 404, 9)
            continue
        yield line(BEGIN + timedelta(seconds=since), host.ip, request, 200, size)


def write(path: Path, count: int, hosts: int, form: str) -> None:
    """Write a log; a name that ends in ``.gz`` is compressed."""
    with _opened(path) as file:
        if form == "cloudfront":
            file.write(CLOUDFRONT_HEAD)
        for each in lines(count, hosts, FORMATS[form]):
            file.write(f"{each}\n")


def manifest() -> bytes:
    """The manifest whose release the fleet takes: the plan of the log."""
    schedule = to_schedule(read_shipped("default"), BEGIN)
    images = Images(*(name for name, _ in IMAGES))
    new = Version.parse(NEW)
    return dump(Manifest((Update("edge", "x86_64", new, new, schedule, images),), {}))


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", compresslevel=1)
    return path.open("w", encoding="ascii")


def main() -> int:
    """Write the log that the command line asks for."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("log", type=Path)
    flags.add_argument("--lines", type=int, default=10_000_000)
    flags.add_argument("--hosts", type=int, default=200_000)
    flags.add_argument("--format", choices=[*FORMATS], default="combined")
    said = flags.parse_args()
    write(said.log, said.lines, said.hosts, said.format)
    return 0


if __name__ == "__main__":
    sys.exit(main())
