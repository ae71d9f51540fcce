"""Archives from anywhere: what is understood is found, and everything else refuses the whole."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from updog.errors import DataError
from updog.offline.tarindex import BLOCK, MAX_EXTENSION, MAX_HEADERS, read_index

LONG = "targets/" + "a" * 64 + "." + "long-name-" * 12 + ".lz4"


def packed(*members: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return out.getvalue()


def plain(name: str, size: int = 5) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def of_kind(kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo("odd")
    member.type, member.linkname = kind, "targets/x"
    return member


def index(archive: bytes) -> dict[str, tuple[int, int]]:
    def pread(offset: int, length: int) -> bytes:
        return archive[offset : offset + length]

    found = read_index(pread, len(archive))
    return {name: (member.offset, member.size) for name, member in found.items()}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_files_are_found_in_each_form(form: int) -> None:
    found = index(packed(plain("a/1.root.json", 3), plain("b", 600), form=form))
    assert {name: size for name, (_, size) in found.items()} == {"a/1.root.json": 3, "b": 600}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_found(form: int) -> None:
    assert list(index(packed(plain(LONG), plain("b"), form=form))) == [LONG, "b"]


def test_a_name_split_over_prefix_and_name_is_joined() -> None:
    name = "d" * 90 + "/" + "n" * 90
    assert list(index(packed(plain(name), form=tarfile.USTAR_FORMAT))) == [name]


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "posix"])
def test_archives_of_gnu_tar_are_read(tmp_path: Path, form: str) -> None:
    (tmp_path / "in/targets").mkdir(parents=True)
    (tmp_path / "in/targets/x").write_bytes(b"content")
    command = [
        "tar",
        f"--format={form}",
        "-cf",
        str(tmp_path / "t.tar"),
        "-C",
        str(tmp_path / "in"),
    ]
    subprocess.run([*command, "."], check=True)
    archive = (tmp_path / "t.tar").read_bytes()
    ((name, (offset, size)),) = index(archive).items()
    assert (name, archive[offset : offset + size]) == ("targets/x", b"content")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.CONTTYPE, "unknown kind"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"M", "part of a larger archive"),
        (b"g", "a global header"),
        (b"V", "unknown kind"),
    ],
)
def test_other_kinds_are_refused(kind: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        index(packed(of_kind(kind), form=tarfile.GNU_FORMAT))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../b", "a//b", "./../b", "a/./b", "..", "a/"]
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    member = plain("x" * len(name))
    archive = bytearray(packed(member, form=tarfile.USTAR_FORMAT))
    archive[: len(name)] = name.encode()
    with pytest.raises(DataError, match="leads elsewhere"):
        index(sealed(archive))


def sealed(archive: bytearray, at: int = 0) -> bytes:
    """The archive with a right checksum on one header."""
    archive[at + 148 : at + 156] = b" " * 8
    told = b"%06o\0 " % sum(archive[at : at + BLOCK])
    archive[at + 148 : at + 156] = told
    return bytes(archive)


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(DataError, match="twice"):
        index(packed(plain("a"), plain("./a")))


def test_a_pax_name_is_checked_too() -> None:
    member = plain("harmless")
    member.pax_headers = {"path": "../../etc/shadow"}
    with pytest.raises(DataError, match="leads elsewhere"):
        index(packed(member))


def test_a_pax_sparse_file_is_refused() -> None:
    member = plain("x")
    member.pax_headers = {"GNU.sparse.major": "1"}
    with pytest.raises(DataError, match="sparse"):
        index(packed(member))


def test_too_many_members_are_refused() -> None:
    header = packed(plain("a", 0), form=tarfile.USTAR_FORMAT)[:BLOCK]

    def pread(offset: int, length: int) -> bytes:
        # Each header has a name of its own, as long as the archive goes on.
        name = b"%d" % offset
        made = bytearray(header)
        made[: len(name)] = name
        return sealed(made)[:length]

    with pytest.raises(DataError, match=f"more than {MAX_HEADERS} files"):
        read_index(pread, 1 << 60)


def test_an_endless_extended_header_is_refused_unread() -> None:
    member = plain("x")
    member.pax_headers = {"comment": "c" * (MAX_EXTENSION + 1)}
    with pytest.raises(DataError, match="extended header of"):
        index(packed(member))


def test_the_largest_size_in_base_256_is_refused() -> None:
    archive = bytearray(packed(plain("x"), form=tarfile.GNU_FORMAT))
    archive[124:136] = b"\x80" + b"\xff" * 11
    with pytest.raises(DataError, match="impossible size"):
        index(sealed(archive))


@pytest.mark.parametrize("size", [b"12345678901x", b"-1         \0", b"\xff" * 12])
def test_a_size_that_is_no_number_is_refused(size: bytes) -> None:
    archive = bytearray(packed(plain("x"), form=tarfile.GNU_FORMAT))
    archive[124:136] = size
    with pytest.raises(DataError, match="has the"):
        index(sealed(archive))


@pytest.mark.parametrize("keep", [0, 1, 511, 512, 600, 1023, 1024])
def test_an_archive_cut_anywhere_is_refused(keep: int) -> None:
    with pytest.raises(DataError):
        index(packed(plain("a", 100), form=tarfile.USTAR_FORMAT)[:keep])


def test_a_flipped_bit_in_a_header_is_refused() -> None:
    archive = bytearray(packed(plain("abc"), form=tarfile.USTAR_FORMAT))
    archive[1] ^= 1
    with pytest.raises(DataError, match="damaged"):
        index(bytes(archive))


@pytest.mark.parametrize("content", [b"\x1f\x8b" + bytes(600), b"not a tar" * 100])
def test_another_kind_of_file_is_told(content: bytes) -> None:
    with pytest.raises(DataError, match="not a tar archive; a bundle is not compressed"):
        index(content)


@pytest.mark.parametrize(
    "record", [b"9 path\n", b"99 path=x\n", b"x path=x\n", b" path=x\n", b"", b"0 path=x\n"]
)
def test_a_damaged_pax_record_is_refused(record: bytes) -> None:
    member = plain("x", len(record) or 1)
    archive = bytearray(packed(member, plain("y"), form=tarfile.USTAR_FORMAT))
    archive[156:157] = b"x"
    archive[BLOCK : BLOCK + len(record)] = record
    with pytest.raises(DataError):
        index(sealed(archive))


def test_a_name_that_is_not_utf8_is_refused() -> None:
    archive = bytearray(packed(plain("abc"), form=tarfile.USTAR_FORMAT))
    archive[0:1] = b"\xff"
    with pytest.raises(DataError, match="not UTF-8"):
        index(sealed(archive))
