"""Where the files of a tar archive lie: a reader of headers for archives that nobody vouches for.

The archive may come from anywhere, so only what a bundle needs is understood: plain files and
directories in the POSIX (ustar, pax) and GNU forms, as GNU tar, bsdtar and Python write them.
Whatever else a tar can hold (links, devices, sparse files, multiple volumes), a name that leads out
of the archive, or a name given twice, makes the whole archive refused. Headers cost bounded memory,
and contents are not read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from updog.errors import DataError

BLOCK = 512
MAX_HEADERS = 1 << 14
MAX_EXTENSION = 64 << 10
"""Bytes of one extended header, which hold little more than a long name."""
MAX_SIZE = 1 << 50
_MAGICS = {b"ustar\x0000", b"ustar  \x00"}
_FILE, _OLD_FILE, _DIRECTORY, _PAX, _GNU_NAME = b"0", b"\0", b"5", b"x", b"L"
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"g": "a global header",
    b"K": "a link with a long name",
    b"M": "a part of a larger archive",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file in an archive.

    Attributes:
        offset: where its bytes begin.
        size: how many there are.
    """

    offset: int
    size: int


def read_index(pread: Callable[[int, int], bytes], length: int) -> Mapping[str, Member]:
    """Return the plain files of an archive by name.

    Args:
        pread: gives the bytes at an offset, as many as asked for unless the archive ends.
        length: bytes of the archive.

    Raises:
        DataError: it is not a tar archive, is cut short, or holds what a bundle never does.
    """
    found: dict[str, Member] = {}
    for name, member in _members(pread, length):
        if name in found:
            raise DataError(f"it holds {name!r} twice")
        found[name] = member
    return found


@dataclass(slots=True)
class _Extended:
    """What extended headers say about the next member."""

    name: bytes | None = None
    size: int | None = None


def _members(pread: Callable[[int, int], bytes], length: int) -> Iterator[tuple[str, Member]]:
    position, extended = 0, _Extended()
    for _ in range(MAX_HEADERS):
        header = pread(position, BLOCK)
        if len(header) < BLOCK:
            raise DataError("it ends without the mark that ends an archive: copy it again")
        if not any(header):
            return
        kind, size = _checked(header, position)
        size = size if extended.size is None or kind in {_PAX, _GNU_NAME} else extended.size
        position += BLOCK
        if position + size > length:
            raise DataError(f"it is cut short in the file at byte {position}: copy it again")
        if kind in {_PAX, _GNU_NAME}:
            _extend(extended, kind, _extension(pread, position, size))
        else:
            name = _name(header if extended.name is None else extended.name, extended)
            if kind == _DIRECTORY:
                _check_directory(name, size)
            else:
                yield _plain(name), Member(position, size)
            extended = _Extended()
        position += -(-size // BLOCK) * BLOCK
    raise DataError(f"it holds more than {MAX_HEADERS} files")


def _checked(header: bytes, position: int) -> tuple[bytes, int]:
    """Return kind and size of what a header announces."""
    if header[257:265] not in _MAGICS:
        what = "it is not a tar archive" if position == 0 else f"no tar header at byte {position}"
        raise DataError(f"{what}; a bundle is not compressed")
    told = _number(header[148:156], "checksum")
    if told != sum(header[:148]) + 8 * ord(" ") + sum(header[156:]):
        raise DataError(f"the tar header at byte {position} is damaged: copy it again")
    kind = header[156:157]
    if kind not in {_FILE, _OLD_FILE, _DIRECTORY, _PAX, _GNU_NAME}:
        raise DataError(f"it holds {_KINDS.get(kind, 'something of an unknown kind')}")
    return kind, _number(header[124:136], "size")


def _number(field: bytes, what: str) -> int:
    """A number in octal digits, or in base 256 as GNU writes large ones."""
    if field[0] == 0x80:  # noqa: PLR2004 - the mark of base 256
        number = int.from_bytes(field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if not all(digit in b"01234567" for digit in digits):
            raise DataError(f"a tar header has the {what} {digits!r}")
        number = int(digits or b"0", 8)
    if number > MAX_SIZE:
        raise DataError(f"a tar header has the impossible {what} {number}")
    return number


def _extension(pread: Callable[[int, int], bytes], position: int, size: int) -> bytes:
    if size > MAX_EXTENSION:
        raise DataError(f"it has an extended header of {size} bytes; {MAX_EXTENSION} are allowed")
    return pread(position, size)


def _extend(extended: _Extended, kind: bytes, data: bytes) -> None:
    if kind == _GNU_NAME:
        extended.name = data.rstrip(b"\0")
        return
    for key, value in _records(data):
        if key.startswith(b"GNU.sparse"):
            raise DataError("it holds a sparse file")
        if key == b"path":
            extended.name = value
        elif key == b"size":
            extended.size = _decimal(value)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records of a pax header: ``LENGTH KEY=VALUE`` and a line feed, LENGTH counting all."""
    position = 0
    while position < len(data):
        told, space, _ = data[position : position + 20].partition(b" ")
        end = position + (_decimal(told) if space else 0)
        record = data[position + len(told) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(data) or not record.endswith(b"\n") or not equals:
            raise DataError("it has an extended header that is damaged: copy it again")
        yield key, value[:-1]
        position = end


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > len(str(MAX_SIZE)) or int(text) > MAX_SIZE:
        raise DataError(f"an extended header has the number {text[:40]!r}")
    return int(text)


def _name(told: bytes, extended: _Extended) -> str:
    if extended.name is None:
        header, told = told, told[:100].partition(b"\0")[0]
        prefix = header[345:500].partition(b"\0")[0]
        if header[257:263] == b"ustar\0" and prefix:
            told = prefix + b"/" + told
    try:
        return told.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"it holds a name that is not UTF-8: {told[:80]!r}") from error


def _plain(name: str) -> str:
    """The name of a file inside the archive, which must not lead out of it.

    ``tar -C DIR .`` puts ``./`` before each name; that means nothing.
    """
    plain = name.removeprefix("./")
    if any(part in {"", ".", ".."} for part in plain.split("/")) or "\0" in plain:
        raise DataError(f"it holds the name {name[:80]!r}, which leads elsewhere")
    return plain


def _check_directory(name: str, size: int) -> None:
    if size:
        raise DataError(f"it holds a directory {name[:80]!r} with contents of its own")
    if inner := name.removeprefix("./").rstrip("/"):
        _plain(inner)
    elif not name.startswith("./"):
        raise DataError(f"it holds the name {name[:80]!r}, which leads elsewhere")
