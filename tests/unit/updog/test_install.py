from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import lz4.frame
import pytest
from blake3 import blake3

from partitions.blockio import Access, BlockIO, Extent
from partitions.boot import choose_next
from partitions.bootflags import BootFlags
from partitions.disk import read_table
from partitions.errors import DeviceBusy, DeviceError, DeviceMissing, NoInactiveSet, PartitionError
from partitions.layout import Slot
from tests.fakes.gpt_disk import FRESH, SINGLE_SET_TYPES, disk_with, make_table
from tests.fakes.memory_disk import MemoryDisk, Window, Write
from tests.fakes.two_sets import (
    DISK,
    RAW,
    SIZES,
    SignedImage,
    TwoSets,
    image_set,
    signed_images,
    two_sets,
)
from updog import install
from updog.digests import BLAKE3, Digest
from updog.errors import (
    CutShort,
    DataError,
    NotThere,
    TargetMismatch,
    UnconfirmedBoot,
    UpdogError,
)
from updog.install import Image, ImageSet, Receipt
from updog.moving import Watch

CLEARED = {Slot.A: BootFlags(2, 0, successful=True), Slot.B: BootFlags()}
STAGED = {Slot.A: BootFlags(1, 0, successful=True), Slot.B: BootFlags(0, 1)}
UNCONFIRMED = {Slot.A: BootFlags(2, 1), Slot.B: BootFlags(1, 0, successful=True)}
OLD_B = {Slot.A: BootFlags(2, 0, successful=True), Slot.B: BootFlags(1, 0, successful=True)}


def stage(
    machine: TwoSets, images: ImageSet | None = None, *, force: bool = False
) -> tuple[Receipt, ...]:
    chosen = images or image_set(signed_images())
    return install.stage(chosen, machine.control, machine.opener, tries=1, force=force)


def assert_refused(machine: TwoSets, images: dict[str, SignedImage], message: str) -> None:
    """Staging fails, nothing but set A can boot, and set A will."""
    with pytest.raises(TargetMismatch, match=message):
        stage(machine, image_set(images))
    assert machine.bits() == CLEARED
    choice = choose_next(read_table(machine.disk).table)
    assert choice is not None
    assert choice.slot is Slot.A


def test_a_staged_set_holds_the_images_and_is_valid_but_not_chosen() -> None:
    machine = two_sets()
    stage(machine)
    for role, raw in RAW.items():
        assert machine.content(role)[: len(raw)] == raw
    assert machine.bits() == STAGED


def test_the_order_of_writes_keeps_the_machine_bootable() -> None:
    machine = two_sets(OLD_B)
    stage(machine)
    table = ["gpt", "flush", "gpt", "flush"]
    images = ["root", "flush", "boot", "flush", "hash", "flush"]
    # The table's own first flush, of what others may have written, is not ours to promise.
    assert machine.story()[-14:] == [*table, *images, *table]


def test_the_granted_tries_are_the_configured_ones() -> None:
    machine = two_sets()
    images = image_set(signed_images())
    install.stage(images, machine.control, machine.opener, tries=7)
    assert machine.bits()[Slot.B] == BootFlags(0, 7)


def test_receipts_prove_what_was_written_and_read_back() -> None:
    receipts = stage(two_sets())
    assert [receipt.target for receipt in receipts] == ["root.lz4", "boot.lz4", "hash.lz4"]
    for receipt in receipts:
        raw = RAW[receipt.target.removesuffix(".lz4")]
        digest = Digest(BLAKE3, blake3(raw).hexdigest())
        assert (receipt.bytes, receipt.written, receipt.read_back) == (len(raw), digest, digest)
        assert receipt.device.startswith(str(DISK))


def test_progress_counts_the_bytes_of_each_image_up_to_all_of_them() -> None:
    machine, images = two_sets(), signed_images()
    seen: dict[str, list[tuple[int, int]]] = {}
    install.stage(
        image_set(images),
        machine.control,
        machine.opener,
        tries=1,
        watch=Watch(lambda at: seen.setdefault(at.name, []).append((at.done, at.total))),
    )
    for image in images.values():
        steps = seen[image.name]
        assert steps == sorted(steps)
        assert steps[-1] == (len(image.raw), len(image.raw))


def test_nothing_of_a_longer_old_image_is_left_behind() -> None:
    machine = two_sets(filled=b"\xaa")
    stage(machine)
    for role, raw in RAW.items():
        assert machine.content(role) == raw.ljust(SIZES[role], b"\0")


def test_what_is_zero_already_is_not_written_again() -> None:
    machine = two_sets()
    stage(machine)
    root = machine.places["root"]
    ends = [write.offset + len(write.data) for write in machine.disk.writes if write.offset in root]
    assert max(ends) == root.start + len(RAW["root"])


def test_an_image_may_fill_its_partition_exactly() -> None:
    machine, images = two_sets(filled=b"\xaa"), signed_images()
    images["hash"] = SignedImage("hash.lz4", b"\x5a" * SIZES["hash"])
    stage(machine, image_set(images))
    assert machine.content("hash") == b"\x5a" * SIZES["hash"]


def test_images_without_signed_raw_facts_are_taken_too() -> None:
    machine = two_sets()
    stage(machine, image_set(signed_images(signed_raw=False)))
    assert machine.bits() == STAGED


# What is refused before anything is touched ------------------------------------------------------


def test_an_unconfirmed_boot_is_refused_and_nothing_is_written() -> None:
    machine = two_sets(UNCONFIRMED)
    with pytest.raises(UnconfirmedBoot, match="Set A runs and is not marked successful") as caught:
        stage(machine)
    assert caught.value.exit_code == 75
    assert "mark-successful" in caught.value.hint
    assert machine.disk.log == []


def test_force_overwrites_the_other_set_while_a_try_remains() -> None:
    machine = two_sets(UNCONFIRMED)
    stage(machine, force=True)
    assert machine.bits() == {Slot.A: BootFlags(2, 1), Slot.B: BootFlags(0, 1)}


def test_force_never_leaves_the_disk_without_a_bootable_set() -> None:
    machine = two_sets({Slot.A: BootFlags(2, 0), Slot.B: BootFlags(1, 0, successful=True)})
    with pytest.raises(PartitionError):
        stage(machine, force=True)
    assert machine.disk.log == []


def test_an_image_that_is_signed_as_too_long_is_refused_before_the_disk_is_touched() -> None:
    machine, images = two_sets(OLD_B), signed_images()
    images["boot"] = SignedImage("boot.lz4", bytes(SIZES["boot"] + 1))
    with pytest.raises(DataError, match=r"boot\.lz4 does not fit: .* has 98304 bytes"):
        stage(machine, image_set(images))
    assert machine.disk.log == []
    assert machine.bits() == OLD_B


def test_a_target_that_cannot_fit_even_packed_is_refused_before_the_disk_is_touched() -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images(signed_raw=False))
    too_long = replace(images.root, length=2 * SIZES["root"])
    with pytest.raises(DataError, match="does not fit"):
        stage(machine, replace(images, root=too_long))
    assert machine.disk.log == []


@pytest.mark.parametrize("role", ["boot", "root", "hash"])
def test_a_header_that_tells_of_too_much_is_refused_before_the_disk_is_touched(role: str) -> None:
    machine, images = two_sets(OLD_B), signed_images(signed_raw=False)
    images[role] = SignedImage(f"{role}.lz4", bytes(SIZES[role] + 1), signed_raw=False)
    with pytest.raises(TargetMismatch, match=rf"{role}\.lz4 does not fit"):
        stage(machine, image_set(images))
    assert machine.disk.log == []
    assert machine.bits() == OLD_B


def test_a_disk_with_one_set_is_refused() -> None:
    machine = two_sets()
    machine.disk.data[:] = bytes(len(machine.disk.data))
    single = disk_with(make_table(FRESH, types=SINGLE_SET_TYPES))
    machine.opener.disks[DISK] = single
    with pytest.raises(NoInactiveSet):
        stage(machine)
    assert single.log == []


def test_a_missing_partition_is_refused_before_the_disk_is_touched() -> None:
    machine = two_sets()

    def opener(extent: Extent, access: Access) -> BlockIO:
        if extent.offset == machine.places["hash"].start:
            raise DeviceMissing("no such node")
        return machine.opener(extent, access)

    with pytest.raises(DeviceMissing):
        install.stage(image_set(signed_images()), machine.control, opener, tries=1)
    assert machine.disk.log == []


def test_a_busy_partition_is_refused_before_the_disk_is_touched() -> None:
    machine = two_sets(OLD_B)

    def opener(extent: Extent, access: Access) -> BlockIO:
        if access is Access.WRITE and extent.offset == machine.places["hash"].start:
            raise DeviceBusy("mounted")
        return machine.opener(extent, access)

    with pytest.raises(DeviceBusy):
        install.stage(image_set(signed_images()), machine.control, opener, tries=1)
    assert machine.disk.log == []


@pytest.mark.parametrize("role", ["boot", "root", "hash"])
@pytest.mark.parametrize("error", [NotThere("no such file"), CutShort("the line went dead")])
def test_an_image_that_does_not_arrive_is_missed_before_the_disk_is_touched(
    role: str, error: UpdogError
) -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images())

    def unreachable() -> Iterator[bytes]:
        yield from ()
        raise error

    absent = replace(getattr(images, role), open=unreachable)
    with pytest.raises(type(error)):
        stage(machine, replace(images, **{role: absent}))
    assert machine.disk.log == []
    assert machine.bits() == OLD_B


def test_an_image_without_a_byte_is_refused_before_the_disk_is_touched() -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images())
    empty = replace(images.hash, open=lambda: ())
    with pytest.raises(TargetMismatch, match=r"hash\.lz4 holds no data"):
        stage(machine, replace(images, hash=empty))
    assert machine.bits() == OLD_B


def test_no_transfer_waits_for_another_one() -> None:
    """Only the image that is written next has an open transfer, and its start is not lost."""
    running: set[str] = set()
    most: list[int] = []
    images = image_set(signed_images())

    def watched(name: str, inner: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
        running.add(name)
        most.append(len(running))
        try:
            yield from inner()
        finally:
            running.remove(name)

    def watch(image: Image) -> Image:
        return replace(image, open=lambda: watched(image.name, image.open))

    watched_set = ImageSet(watch(images.boot), watch(images.root), watch(images.hash))
    machine = two_sets(OLD_B)
    stage(machine, watched_set)
    assert most == [1, 1, 1, 1, 1]
    assert running == set()
    assert machine.bits()[Slot.B] == BootFlags(0, 1)


def test_the_caller_is_told_between_the_clearing_and_the_first_write() -> None:
    machine = two_sets(OLD_B)
    seen: list[dict[Slot, BootFlags]] = []
    written: list[int] = []

    class Watching:
        def cleared(self) -> None:
            seen.append(machine.bits())
            written.append(machine.story().count("root"))

        def hashes(self, _slot: str, _role: str) -> None:
            return None

    images = image_set(signed_images())
    install.stage(images, machine.control, machine.opener, tries=1, ledger=Watching())
    assert (seen, written) == ([CLEARED], [0])


# What is refused while it is written -------------------------------------------------------------


@pytest.mark.parametrize("role", ["boot", "root", "hash"])
def test_a_well_formed_frame_with_other_content_is_refused(role: str) -> None:
    images = signed_images(signed_raw=False)
    raw = images[role].raw
    other = lz4.frame.compress(b"X" + raw[1:], content_checksum=True)
    images[role].sent = other[: len(images[role].frame)]
    if len(other) == len(images[role].frame):
        assert_refused(two_sets(OLD_B), images, "its sha256 is not the signed one")
    else:
        assert_refused(two_sets(OLD_B), images, rf"{role}\.lz4")


@pytest.mark.parametrize(("one", "other"), [("boot", "root"), ("root", "hash"), ("boot", "hash")])
def test_swapped_files_are_refused(one: str, other: str) -> None:
    images = signed_images()
    images[one].sent, images[other].sent = images[other].frame, images[one].frame
    assert_refused(two_sets(OLD_B), images, "signed|longer")


@pytest.mark.parametrize("at", [0, 4, 7, 100, -100, -9, -4, -1])
def test_any_changed_byte_is_refused(at: int) -> None:
    images = signed_images()
    changed = bytearray(images["root"].frame)
    changed[at] ^= 1
    images["root"].sent = bytes(changed)
    assert_refused(two_sets(OLD_B), images, r"root\.lz4")


@pytest.mark.parametrize("kept", [1, 7, 1000, -5, -1])
def test_a_cut_file_is_refused(kept: int) -> None:
    images = signed_images()
    images["root"].sent = images["root"].frame[:kept]
    told = f"ends in the middle of its LZ4 frame|has {kept} bytes, but"
    assert_refused(two_sets(OLD_B), images, told)


def test_an_appended_byte_is_refused() -> None:
    images = signed_images()
    images["hash"].sent = images["hash"].frame + b"\0"
    assert_refused(two_sets(OLD_B), images, r"hash\.lz4 is longer than")


def test_a_signed_file_with_bytes_after_the_frame_is_refused() -> None:
    images = signed_images()
    images["hash"].frame += b"\0"
    assert_refused(two_sets(OLD_B), images, "bytes after its LZ4 frame")


def test_a_bomb_never_writes_outside_its_partition() -> None:
    machine, images = two_sets(OLD_B), signed_images(signed_raw=False)
    bomb = bytes(SIZES["root"] + 1)
    images["root"] = SignedImage("root.lz4", bomb, signed_raw=False)
    images["root"].frame = lz4.frame.compress(bomb, store_size=False)
    after = bytes(machine.disk.data[machine.places["root"].stop :])
    assert_refused(machine, images, "decodes to more than")
    assert machine.story().count("hash") == machine.story().count("boot") == 0
    assert len(after) == len(machine.disk.data) - machine.places["root"].stop


def test_an_empty_image_is_refused() -> None:
    images = signed_images(signed_raw=False)
    images["boot"] = SignedImage("boot.lz4", b"", signed_raw=False)
    assert_refused(two_sets(OLD_B), images, "holds no data at all")


def test_another_digest_of_the_content_than_the_signed_one_is_refused() -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images())
    lied = replace(images.boot, raw_blake3="0" * 64)
    with pytest.raises(DeviceError, match=r"does not give back the signed content of boot\.lz4"):
        stage(machine, replace(images, boot=lied))
    assert machine.bits() == CLEARED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raw_length": 5}, "more than the 5 bytes"),
        ({"length": 10**6}, "but 1000000 were signed"),
        ({"hashes": {"sha256": "0" * 64}}, "its sha256 is not the signed one"),
        ({"hashes": {"md5": "0"}}, "neither sha256 nor sha512"),
    ],
)
def test_each_signed_fact_is_compared(change: dict[str, object], message: str) -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images())
    lied = replace(images.boot, **change)  # type: ignore[arg-type]
    with pytest.raises(TargetMismatch, match=message):
        stage(machine, replace(images, boot=lied))
    assert machine.bits() == CLEARED


def test_sha512_is_compared_too() -> None:
    machine, images = two_sets(), image_set(signed_images())
    hashes = {**images.root.hashes, "sha512": "0" * 128}
    with pytest.raises(TargetMismatch, match="its sha512 is not the signed one"):
        stage(machine, replace(images, root=replace(images.root, hashes=hashes)))


def test_a_transfer_that_breaks_off_leaves_the_set_unbootable() -> None:
    machine, images = two_sets(OLD_B), image_set(signed_images())

    def broken() -> Iterator[bytes]:
        yield signed_images()["hash"].frame[:100]
        raise CutShort("the line went dead")

    with pytest.raises(CutShort):
        stage(machine, replace(images, hash=replace(images.hash, open=broken)))
    assert machine.bits() == CLEARED


class Forgetful(Window):
    """A medium that acknowledges writes and gives back something else."""

    def reread(self, offset: int, length: int) -> bytes:
        return super().reread(offset, length)[:-1] + b"\xff"


def test_a_medium_that_gives_back_other_bytes_is_refused() -> None:
    machine = two_sets(OLD_B)

    def opener(extent: Extent, _access: Access) -> BlockIO:
        assert extent.size is not None
        return Forgetful(machine.disk, extent.offset, extent.size)

    with pytest.raises(DeviceError, match="does not give back"):
        install.stage(image_set(signed_images()), machine.control, opener, tries=1)
    assert machine.bits() == CLEARED


def test_a_failure_of_any_single_write_leaves_a_disk_that_boots() -> None:
    """At each write the device dies; what it holds then must still boot a whole set."""
    whole = two_sets(OLD_B, filled=b"\xaa")
    stage(whole)
    for doomed in range(len(whole.disk.writes)):
        machine = two_sets(OLD_B, filled=b"\xaa")
        machine.disk.before_write = failing_at(doomed, machine.disk)
        with pytest.raises((PartitionError, UpdogError)):
            stage(machine)
        machine.disk.before_write = None
        choice = choose_next(read_table(machine.disk).table)
        assert choice is not None
        assert choice.slot is Slot.A
        if "root" in machine.story():
            assert not machine.bits()[Slot.B].will_boot


def failing_at(number: int, disk: MemoryDisk) -> Callable[[Write], None]:
    def check(_write: Write) -> None:
        if len(disk.writes) == number:
            raise DeviceError("the device died")

    return check


# The other verbs ---------------------------------------------------------------------------------


def test_activate_lets_the_staged_set_boot_next_and_revert_takes_it_back() -> None:
    machine = two_sets()
    stage(machine)
    install.activate(machine.control)
    assert machine.bits() == {
        Slot.A: BootFlags(1, 0, successful=True),
        Slot.B: BootFlags(2, 1),
    }
    install.revert(machine.control)
    assert machine.bits() == {
        Slot.A: BootFlags(2, 0, successful=True),
        Slot.B: BootFlags(0, 1),
    }


def test_rollback_lets_the_proven_other_set_boot_next() -> None:
    machine = two_sets(OLD_B)
    install.rollback(machine.control)
    assert machine.control.status().next is Slot.B
