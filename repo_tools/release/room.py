"""How much room a device has for each image: the sizes of its partitions. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from partitions import plan
from partitions.guid import PartitionType
from partitions.plan import MIB, PlannedPartition
from repo_tools.release.names import Part
from updog.errors import UsageError

_KINDS = {
    Part.BOOT: PartitionType.BOOT,
    Part.ROOT: PartitionType.ROOT,
    Part.HASH: PartitionType.HASH,
}
_UPSTREAM = re.compile(r"bottlerocket(?::(?P<gib>[1-9][0-9]{0,3}))?")
_OWN = re.compile(r"(boot|root|hash)=([1-9][0-9]{0,6})")
FORMS = "bottlerocket, bottlerocket:GIB, or boot=MIB,root=MIB,hash=MIB"
_USUAL_GIB = 2


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of the partitions of one set, and what the layout is called."""

    name: str
    sizes: Mapping[Part, int]


def parse_layout(text: str) -> Room:
    """The room that a layout given on a command line leaves; see `FORMS`.

    ``bottlerocket`` is upstream's disk of 2 GiB, ``bottlerocket:4`` the one of its large variants.

    Raises:
        UsageError: no layout of these forms.
    """
    upstream = _UPSTREAM.fullmatch(text)
    if upstream:
        return Room(text, _of_plan(plan.plan(int(upstream["gib"] or _USUAL_GIB))))
    parts = [_OWN.fullmatch(piece) for piece in text.split(",")]
    sizes = {Part(found[1]): int(found[2]) * MIB for found in parts if found}
    if None in parts or len(sizes) != len(parts) or len(sizes) != len(Part):
        raise UsageError(f"{text!r} is not a layout.", hint=f"Write {FORMS}.")
    return Room(text, sizes)


def _of_plan(planned: Iterable[PlannedPartition]) -> dict[Part, int]:
    """The sizes of one set; both sets of a plan have the same."""
    listed = list(planned)
    return {
        part: next(each.size_mib * MIB for each in listed if each.kind is kind)
        for part, kind in _KINDS.items()
    }
