"""The pipeline over real HTTP onto real files and loop devices, cut off at any moment."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from tests.fakes.images import changed, chunks, image, medium, signed
from tests.fakes.published import Published, as_lz4, as_zstd
from tests.fakes.rangeserver import Knows, Served, serving
from updog.pipeline import adaptive, full
from updog.pipeline.direct import DirectMedium, open_medium
from updog.pipeline.facts import Done
from updog.pipeline.httpranges import HttpRanges
from updog.requestswire import RequestsWire
from updog.wire import Answer, FetchSettings

OLD = image(900, seed=3)
NEW = changed(OLD)
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return as_zstd(tmp_path_factory.mktemp("published"), NEW)


def ranges(url: str) -> HttpRanges:
    wire = RequestsWire(FetchSettings(timeout_connect=5, timeout_stall=5))

    def ask(header: str) -> Answer:
        return wire.ask(url, {"Range": header, "Accept-Encoding": "identity"})

    return HttpRanges(ask, "image")


def put(new: Published, served: Served, disk: Path, base: Path | None = None) -> Done:
    with medium(disk) as target:
        if base is None:
            return adaptive.install(new.signed, new.blockmap, ranges(served.url), target)
        with medium(base, Access.READ) as active:
            return adaptive.install(
                new.signed,
                new.blockmap,
                ranges(served.url),
                target,
                base=adaptive.Base(active),
            )


def partition(tmp_path: Path) -> Path:
    path = tmp_path / "partition"
    path.write_bytes(b"\xee" * len(NEW))
    return path


def active(tmp_path: Path) -> Path:
    path = tmp_path / "active"
    path.write_bytes(OLD)
    return path


@pytest.mark.parametrize("knows", Knows)
def test_every_kind_of_server_leads_to_the_image(
    tmp_path: Path, new: Published, knows: Knows
) -> None:
    disk = partition(tmp_path)
    with serving(Served(new.packed, knows)) as served:
        put(new, served, disk, active(tmp_path))
    assert disk.read_bytes() == NEW


def test_a_sparse_fetch_takes_few_requests(tmp_path: Path, new: Published) -> None:
    with serving(Served(new.packed)) as served:
        put(new, served, partition(tmp_path), active(tmp_path))
    assert len(served.asked) <= 10
    assert served.sent < 0.5 * len(new.packed)
    assert max(map(len, served.asked)) < 8192


def test_a_server_that_knows_one_range_is_asked_for_several_once(
    tmp_path: Path, new: Published
) -> None:
    with serving(Served(new.packed, Knows.ONE)) as served:
        put(new, served, partition(tmp_path), active(tmp_path))
    # Two connections can ask at the same time before either knows.
    assert sum("," in asked for asked in served.asked) <= 2


def test_a_transfer_that_is_cut_goes_on(tmp_path: Path, new: Published) -> None:
    disk = partition(tmp_path)
    with serving(Served(new.packed, cut_after=100_000, cuts=3)) as served:
        done = put(new, served, disk)
    assert disk.read_bytes() == NEW
    assert done.moved.received < len(new.packed) + 4 * 100_000


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    backing = tmp_path / "backing"
    backing.write_bytes(b"\xee" * (len(NEW) + (1 << 20)))
    run = subprocess.run(
        ["losetup", "-f", "--show", str(backing)], capture_output=True, text=True, check=True
    )
    device = Path(run.stdout.strip())
    yield device
    subprocess.run(["losetup", "-d", str(device)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("publish", [as_zstd, as_lz4])
def test_a_loop_device_is_written_past_the_cache(
    tmp_path: Path, loop: Path, publish: type[Published]
) -> None:
    new: Published = publish(tmp_path, NEW)  # type: ignore[arg-type, call-arg]
    extent = Extent(loop)
    with (
        serving(Served(new.packed)) as served,
        open_device(extent, Access.WRITE) as io,
        open_medium(io, extent, Access.WRITE) as target,
    ):
        assert isinstance(target, DirectMedium)
        adaptive.install(new.signed, new.blockmap, ranges(served.url), target)
    descriptor = os.open(loop, os.O_RDONLY)
    try:
        assert os.pread(descriptor, len(NEW), 0) == NEW
    finally:
        os.close(descriptor)


def test_a_whole_file_over_http_gets_onto_the_partition(tmp_path: Path) -> None:
    new = as_lz4(tmp_path, NEW)
    disk = partition(tmp_path)
    with serving(Served(new.packed)) as served, medium(disk) as target:
        wire = RequestsWire(FetchSettings())

        def receive() -> Iterator[bytes]:
            answer = wire.ask(served.url, {})
            while chunk := answer.read1(1 << 18):
                yield chunk

        full.install(signed(NEW, new.packed), receive, target)
    assert disk.read_bytes() == NEW


def test_a_cancelled_run_ends_soon_and_leaves_no_thread(tmp_path: Path) -> None:
    new = as_lz4(tmp_path, NEW)

    def receive() -> Iterator[bytes]:
        yield from list(chunks(new.packed))[:3]
        raise KeyboardInterrupt

    with medium(partition(tmp_path)) as target, pytest.raises(KeyboardInterrupt):
        full.install(new.signed, receive, target)
    stages = {"proof", "decode-0", "decode-1"}
    assert not stages & {thread.name for thread in threading.enumerate()}
