"""What Python's tar writer makes of plain files, the index finds; noise only ever refuses."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.errors import DataError
from updog.offline.tarindex import Member, read_index

pytestmark = pytest.mark.property

PARTS = st.text("abcé-._0", min_size=1, max_size=150).filter(lambda part: part not in {".", ".."})
NAMES = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(NAMES, st.binary(max_size=1500), max_size=6)
FORMS = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])


def packed(files: dict[str, bytes], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def index(archive: bytes) -> dict[str, Member]:
    return dict(read_index(lambda at, length: archive[at : at + length], len(archive)))


@given(FILES, FORMS)
@settings(max_examples=150, deadline=None)
def test_every_file_is_found_with_its_bytes(files: dict[str, bytes], form: int) -> None:
    archive = packed(files, form)
    found = index(archive)
    assert {n: archive[m.offset : m.offset + m.size] for n, m in found.items()} == files


@given(FILES, FORMS, st.integers(0, 1 << 16), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_is_refused_or_harmless(
    files: dict[str, bytes], form: int, place: int, flip: int
) -> None:
    archive = bytearray(packed(files, form))
    archive[place % len(archive)] ^= flip
    with contextlib.suppress(DataError):
        for member in index(bytes(archive)).values():
            assert member.offset + member.size <= len(archive)


@given(FILES, FORMS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_cut_archive_is_refused(files: dict[str, bytes], form: int, data: st.DataObject) -> None:
    archive = packed(files, form)
    # The mark of the end is two blocks; behind the first one nothing is needed any more.
    last = max((m.offset + -(-m.size // 512) * 512 for m in index(archive).values()), default=0)
    keep = data.draw(st.integers(0, last + 511))
    with pytest.raises(DataError):
        index(archive[:keep])


@given(st.binary(max_size=3000))
@settings(max_examples=100, deadline=None)
def test_noise_is_refused_or_empty(noise: bytes) -> None:
    with contextlib.suppress(DataError):
        assert index(noise) == {}
