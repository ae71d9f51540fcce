"""A plan as text and as JSON (docs/cli.md)."""

from __future__ import annotations

from collections.abc import Iterator

from updog.manifest import update_as_json
from updog.pipeline.plan import Estimate
from updog.plan.survey import ImagePlan, Plan

MEGABYTE = 1_000_000


def lines(plan: Plan) -> Iterator[str]:
    """The plan for people: each image, each way to it, and the sums of what would be done."""
    update = plan.update
    yield f"{update.variant} {update.arch} {update.version}"
    for image in plan.images:
        yield f"{image.role}: {image.target} -> {image.place}"
        for number, way in enumerate(image.ways):
            yield _way(way, chosen=number == 0)
    chosen = [image.chosen for image in plan.images]
    fetched, written = sum(one.bytes for one in chosen), sum(one.written for one in chosen)
    seconds = sum(one.seconds for one in chosen)
    yield f"In all: {_mb(fetched)} fetched, at most {_mb(written)} written, about {seconds:.0f} s"


def tree(plan: Plan) -> dict[str, object]:
    """The plan for programs: bytes, seconds."""
    chosen = [image.chosen for image in plan.images]
    return {
        "update": update_as_json(plan.update),
        "images": [_image(image) for image in plan.images],
        "bytes": sum(one.bytes for one in chosen),
        "written": sum(one.written for one in chosen),
        "requests": sum(one.requests for one in chosen),
        "seconds": round(sum(one.seconds for one in chosen), 1),
    }


def _image(image: ImagePlan) -> dict[str, object]:
    return {
        "role": image.role,
        "target": image.target,
        "partition": image.place,
        "chosen": image.chosen.way.value,
        "ways": [way.as_json() for way in image.ways],
    }


def _way(way: Estimate, *, chosen: bool) -> str:
    mark = "*" if chosen else " "
    moved = f"{_mb(way.bytes):>10} fetched, at most {_mb(way.written):>10} written"
    return f" {mark} {way.way.value:<8} {moved} {way.seconds:6.1f} s  {way.why}"


def _mb(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"
