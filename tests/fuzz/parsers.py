"""Coverage-guided fuzzing of everything that reads foreign bytes, one parser at a time.

    python -m tests.fuzz.parsers PARSER [libFuzzer options] [corpus folders]

Promises: no exception but ours leaves, and memory stays bounded (``-rss_limit_mb``). Half of the
mutations change a JSON tree instead of bytes, or nothing would get past the reader of JSON.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["updog", "waves", "tuf", "securesystemslib"]):
    from tuf.api.metadata import Snapshot, Targets, Timestamp

    from updog import blockmap, config, deltaformat, manifest
    from updog.delegations import find_target
    from updog.errors import UpdogError
    from updog.offline import tarindex
    from updog.osrelease import parse_os_release
    from updog.tuffiles import S, Target, parse
    from updog.tufjson import read_envelope
    from updog.tufroot import self_signed_root

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**63,
        10**400,
        0.5,
        1e308,
        "",
        "\0",
        "../..",
        "\ud800",
        "ä" * 300,
    ),
    *(
        "ä" * 300,
        [],
        [None],
        {},
        {"": {}},
        "9999-12-31T23:59:59Z",
        "0000-00-00T00:00:00Z",
        "f" * 64,
        "%s%n",
    ),
)


def main() -> None:
    """Fuzz the parser that the command line names; ends when libFuzzer does."""
    parser = PARSERS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        try:
            parser(data)
        except UpdogError:
            return

    atheris.Setup(sys.argv, one, custom_mutator=mutate)
    atheris.Fuzz()


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change bytes, or a node of the JSON tree that they are."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        changed = _changed_tree(data, chance)
        if changed is not None and len(changed) <= max_size:
            return changed
    return bytes(atheris.Mutate(data, max_size))


def _changed_tree(data: bytes, chance: random.Random) -> bytes | None:
    try:
        tree = json.loads(data)
        places = list(_places(tree))
        holder, key = chance.choice(places)
        action = chance.randrange(4)
        if action == 0:
            del holder[key]
        elif action == 1:
            other, name = chance.choice(places)
            holder[key] = other[name]
        else:
            holder[key] = chance.choice(ODD)
        return json.dumps(tree).encode()
    except (ValueError, IndexError, KeyError, RecursionError):
        return None


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            found += [(node, key) for key in keys]
            waiting += [node[key] for key in keys]
    return found


def _metadata(kind: type[S]) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        parse(kind, kind.type, data, read_envelope(data, "file"))

    return read


def _targets(data: bytes) -> None:
    signed = parse(Targets, "targets", data, read_envelope(data, "file")).signed
    for file in signed.targets.values():
        Target.of(file)
    find_target("name", lambda _role, _delegator: signed)


def _config(data: bytes) -> None:
    config.to_settings(config.parse_fragment(data, NOWHERE))


def _os_release(data: bytes) -> None:
    parse_os_release(data.decode("utf-8", errors="replace"))


def _block_map(data: bytes) -> None:
    found = blockmap.parse(data, "image.blockmap")
    for span in found.spans():
        assert span.length
    assert found.dump() == data


def _delta(data: bytes) -> None:
    """A delta whose plan is not packed: header, head of a segment, records."""
    head, start = deltaformat.HEADER_LENGTH, deltaformat.SEGMENT_LENGTH
    header = deltaformat.parse_header(data[:head], "image.delta")
    if len(data) >= head + start:
        deltaformat.parse_segment(data[head : head + start], "image.delta")
        deltaformat.parse_records(data[head + start :], 0, header, "image.delta")


def _bundle(data: bytes) -> None:
    found = tarindex.read_index(lambda offset, length: data[offset : offset + length], len(data))
    for member in found.values():
        assert member.offset + member.size <= len(data)


NOWHERE = Path("/updog.toml")
PARSERS: dict[str, Callable[[bytes], object]] = {
    "root": self_signed_root,
    "timestamp": _metadata(Timestamp),
    "snapshot": _metadata(Snapshot),
    "targets": _targets,
    "manifest": manifest.parse,
    "os-release": _os_release,
    "config": _config,
    "blockmap": _block_map,
    "delta": _delta,
    "bundle": _bundle,
}

if __name__ == "__main__":
    main()
