"""Crash states a second, beside building and hashing each disk anew.

The explorer answers by bit masks and looks at each partition table once. The reference builds every
disk whole, reads its table and hashes both partition sets, for a part of the same states in the
same run. Goal: at least 100 000 states over all operations in less than two minutes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from itertools import islice
from pathlib import Path

from partitions.image import create_image, seeded_guids
from partitions.plan import plan_for
from updog.crashtest.cases import Case
from updog.crashtest.diskcopy import private_copy
from updog.crashtest.doubt import Fineness
from updog.crashtest.explore import Bounds, subsets
from updog.crashtest.flags import OPERATIONS
from updog.crashtest.moments import moments
from updog.crashtest.oracle import look
from updog.crashtest.overlay import Overlay
from updog.crashtest.prove import Thoroughness, prove
from updog.crashtest.recorder import quiet_disk
from updog.crashtest.report import Proof
from updog.crashtest.scenarios import Stand, play, scenarios
from updog.crashtest.scene import Scene
from updog.crashtest.trial import Trial
from updog.crashtest.writelog import write_at

HOW = Thoroughness(Fineness(512))
REFERENCE_STATES = 150


def timed(work: Callable[[], int]) -> float:
    """States a second."""
    start = time.perf_counter()
    states = work()
    return states / (time.perf_counter() - start)


def by_hashing(case: Case) -> int:
    """Build, read and hash some disks of the moment with the most writes in doubt."""
    moment = max(moments(case.log), key=lambda each: len(each.pending))
    disk = case.before.fork()
    for index in moment.durable:
        write = write_at(case.log, index)
        disk.write(write.offset, write.data)
    scene = Scene(case, HOW.fineness, disk, moment)
    masks = subsets(scene.doubt, Bounds(samples=0), lambda _bits: 0)
    states = 0
    for mask in islice(masks, REFERENCE_STATES):
        left = quiet_disk(case.path, scene.left(mask))
        look(left)
        for each in case.sets:
            for span in each.spans:
                sha256(left.bytes.read(span.start, span.end - span.start))
        states += 1
    return states


def whole_trial(path: Path, contents: Overlay) -> Proof:
    """Everything that the command does."""
    return Trial(Stand(path, contents), scenarios(OPERATIONS)).run()


def main() -> None:
    """Print the numbers."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "disk.img")
        partitions = plan_for(root_mib=8, hash_mib=2, boot_mib=2)
        create_image(image, partitions, new_guid=seeded_guids("benchmark"))
        with private_copy(image) as (path, contents):
            case = play(Stand(path, contents), scenarios(["update"])[0])
            slow = timed(lambda: by_hashing(case))
            fast = timed(lambda: prove(case, HOW).states)
            start = time.perf_counter()
            proof = whole_trial(path, contents)
            seconds = time.perf_counter() - start
    print(f"building and hashing each disk: {slow:10.0f} states/s")
    print(f"the explorer:                   {fast:10.0f} states/s, {fast / slow:.0f} times as many")
    print(f"all operations, with recoveries: {proof.disks} disks in {seconds:.1f} s")
    print(f"failures: {proof.failures}")


if __name__ == "__main__":
    main()
