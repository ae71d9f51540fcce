"""As much of the ELF format as a builder of an initramfs needs, 64-bit little-endian only. PURE.

Which libraries a program asks for, which loader starts it, and what a kernel module says it needs.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from repo_tools.errors import ImageError

_START = b"\x7fELF\x02\x01"
_FILE_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_TAG = struct.Struct("<qQ")
_DYNAMIC = 2
_INTERPRETER = 3
_LOAD = 1
_NEEDED = 1
_STRINGS = 5


class Needs(NamedTuple):
    """What an ELF file asks for.

    Attributes:
        loader: path of its dynamic loader; None for a library.
        libraries: names, as in ``libc.so.6``.
    """

    loader: str | None
    libraries: tuple[str, ...]


class ModuleInfo(NamedTuple):
    """What a kernel module says about itself; all names with underscores.

    Attributes:
        depends: modules whose symbols it uses: without them it cannot be loaded.
        before: modules, or aliases of some, that it asks to have loaded before it if they are
            there: it looks for what they offer when it runs.
        aliases: further names that it answers to.
    """

    depends: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def needs(data: bytes, name: str) -> Needs:
    """Read what a program or library asks for.

    Args:
        data: the file.
        name: for messages.

    Raises:
        ImageError: not such a file.
    """
    try:
        segments = _segments(data, name)
        loaders = [_text(data, each.offset) for each in segments if each.kind == _INTERPRETER]
        return Needs(loaders[0] if loaders else None, _libraries(data, segments))
    except (struct.error, IndexError, ValueError, StopIteration) as error:
        raise ImageError(f"{name} is a damaged ELF file: {error}.") from error


def module_info(data: bytes, name: str) -> ModuleInfo:
    """Read what a kernel module says about itself.

    Raises:
        ImageError: not a kernel module.
    """
    return said_of_module(_section(data, ".modinfo", name).split(b"\0"))


def said_of_module(lines: Iterable[bytes]) -> ModuleInfo:
    """Read the lines ``key=value`` of one module's section ``.modinfo``."""
    said = defaultdict[bytes, list[str]](list)
    for line in lines:
        key, _, value = line.partition(b"=")
        said[key].append(plain(value.decode("ascii", "replace")))
    return ModuleInfo(
        depends=tuple(name for value in said[b"depends"] for name in value.split(",") if name),
        before=tuple(name for value in said[b"softdep"] for name in _before(value)),
        aliases=tuple(said[b"alias"]),
    )


def plain(name: str) -> str:
    """Return the name of a module as the kernel writes it."""
    return name.replace("-", "_")


def _before(softdep: str) -> Iterator[str]:
    """The names behind ``pre:`` in a line such as ``pre: a b post: c``."""
    wanted = False
    for word in softdep.split():
        if word.endswith(":"):
            wanted = word == "pre:"
        elif wanted:
            yield word


def _segments(data: bytes, name: str) -> list[_Segment]:
    header = _header(data, name)
    offset, size, count = header[4], header[8], header[9]
    found = []
    for number in range(count):
        kind, _, at, address, _, length, _, _ = _SEGMENT.unpack_from(data, offset + number * size)
        found.append(_Segment(kind, at, address, length))
    return found


def _libraries(data: bytes, segments: list[_Segment]) -> tuple[str, ...]:
    dynamic = next((each for each in segments if each.kind == _DYNAMIC), None)
    if dynamic is None:
        return ()
    tags = list(_TAG.iter_unpack(data[dynamic.offset : dynamic.offset + dynamic.size]))
    strings = next(value for tag, value in tags if tag == _STRINGS)
    start = _file_offset(strings, segments)
    return tuple(_text(data, start + value) for tag, value in tags if tag == _NEEDED)


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for each in segments:
        if each.kind == _LOAD and each.address <= address < each.address + each.size:
            return address - each.address + each.offset
    raise ValueError(f"no segment holds address {address:#x}")


def _section(data: bytes, wanted: str, name: str) -> bytes:
    header = _header(data, name)
    offset, size, count, names_at = header[5], header[10], header[11], header[12]
    try:
        sections = [_SECTION.unpack_from(data, offset + n * size) for n in range(count)]
        names = sections[names_at][4]
        for section in sections:
            if _text(data, names + section[0]) == wanted:
                return data[section[4] : section[4] + section[5]]
    except (struct.error, IndexError, ValueError) as error:
        raise ImageError(f"{name} is a damaged ELF file: {error}.") from error
    raise ImageError(f"{name} has no section {wanted}, so it is no kernel module.")


def _header(data: bytes, name: str) -> tuple[int, ...]:
    if not data.startswith(_START) or len(data) < _FILE_HEADER.size:
        raise ImageError(f"{name} is not an ELF file for a 64-bit little-endian machine.")
    return _FILE_HEADER.unpack_from(data)


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii", "replace")
