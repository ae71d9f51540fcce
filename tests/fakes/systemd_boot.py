"""systemd-boot as far as it matters here: it reads entries from a folder, orders, counts, starts.

Written from its documentation and without our own code, so that both can be wrong only separately.
Also a maker of EFI programs that are nothing but a header and noise.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Mapping
from functools import cmp_to_key
from pathlib import Path
from typing import NamedTuple

_COUNTED = re.compile(r"(?P<base>.*?)\+(?P<left>\d+)(-(?P<done>\d+))?$")


class Entry(NamedTuple):
    name: str
    base: str
    left: int | None
    done: int
    sort_key: str
    program: str


def menu(files: Mapping[str, str], programs: Container[str]) -> list[Entry]:
    """What is shown of entries by name, and in which order; programs by path."""
    found = [_read(name, text) for name, text in files.items() if name.endswith(".conf")]
    usable = [each for each in found if each.program in programs]
    return sorted(usable, key=cmp_to_key(_compare))


def entries(esp: Path) -> list[Entry]:
    """What is shown of a mounted ESP."""
    files = {path.name: path.read_text() for path in (esp / "loader/entries").iterdir()}
    return menu(files, {f"/{path.relative_to(esp)}" for path in esp.rglob("*.efi")})


def start(esp: Path) -> str | None:
    """Choose, count, and return the program that is started; None if there is no entry."""
    shown = entries(esp)
    if not shown:
        return None
    first = shown[0]
    if first.left:
        counted = f"{first.base}+{first.left - 1}-{first.done + 1}.conf"
        folder = esp / "loader/entries"
        (folder / first.name).rename(folder / counted)
    return first.program


def efi_program(content: bytes, *, signature: bytes = b"", names: bytes = b"") -> bytes:
    """An EFI program with one section, names of symbols, and a signature behind it."""
    head = bytearray(512)
    head[:2] = b"MZ"
    struct.pack_into("<I", head, 0x3C, 0x80)
    struct.pack_into("<4s2xH12xH", head, 0x80, b"PE\0\0", 1, 240)
    behind = struct.pack("<I", 4 + len(names)) + names if names else b""
    if names:
        struct.pack_into("<II", head, 0x88 + 4, 512 + len(content), 0)
    struct.pack_into("<H", head, 0x98, 0x20B)
    struct.pack_into("<I", head, 0x98 + 108, 16)
    if signature:
        struct.pack_into("<II", head, 0x98 + 144, 512 + len(content + behind), len(signature))
    struct.pack_into("<8s4I", head, 0x98 + 240, b".text", 0, 0, len(content), 512)
    return bytes(head) + content + behind + signature


def _read(name: str, text: str) -> Entry:
    said = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line.strip())
    stem = name.removesuffix(".conf")
    counted = _COUNTED.match(stem)
    return Entry(
        name,
        stem if counted is None else counted["base"],
        None if counted is None else int(counted["left"]),
        0 if counted is None else int(counted["done"] or 0),
        said.get("sort-key", ""),
        said.get("efi", ""),
    )


def _compare(one: Entry, two: Entry) -> int:
    if (one.left == 0) != (two.left == 0):
        return 1 if one.left == 0 else -1
    if bool(one.sort_key) != bool(two.sort_key):
        return -1 if one.sort_key else 1
    if one.sort_key != two.sort_key:
        return -1 if one.sort_key < two.sort_key else 1
    if one.name != two.name:
        return -1 if one.name > two.name else 1
    return 0
