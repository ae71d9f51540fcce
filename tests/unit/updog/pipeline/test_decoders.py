from __future__ import annotations

import gzip
import lzma
import re
import zlib
from collections.abc import Callable

import pytest
import zstandard
from lz4 import frame

from tests.fakes.images import chunks, image
from updog.errors import TargetMismatch
from updog.pipeline.decoders import WINDOW, decoder
from updog.pipeline.formats import Format, detect

RAW = image(700, tail=77)
PACKED = {
    "raw": (Format.NONE, RAW),
    "lz4": (Format.LZ4, frame.compress(RAW)),
    "lz4 linked": (Format.LZ4, frame.compress(RAW, block_linked=True, block_size=4)),
    "lz4 independent": (Format.LZ4, frame.compress(RAW, block_linked=False)),
    "zstd": (Format.ZSTD, zstandard.ZstdCompressor(write_checksum=True).compress(RAW)),
    "zstd frames": (Format.ZSTD, zstandard.compress(RAW[:9999]) + zstandard.compress(RAW[9999:])),
    "xz": (Format.XZ, lzma.compress(RAW, preset=1)),
    "xz streams": (
        Format.XZ,
        lzma.compress(RAW[:9999], preset=0) + lzma.compress(RAW[9999:], preset=0),
    ),
    "gzip": (Format.GZIP, gzip.compress(RAW, 1)),
    "gzip members": (Format.GZIP, gzip.compress(RAW[:9999], 1) + gzip.compress(RAW[9999:], 1)),
}


def decoded(kind: Format, content: bytes, size: int = 70_001, buffer: int = 64 << 10) -> bytes:
    source = decoder(kind, chunks(content, size), "x")
    memory = memoryview(bytearray(buffer))
    raw = b""
    while count := source.read_into(memory):
        raw += memory[:count]
    return raw


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("size", [997, 1 << 30])
def test_every_format_gives_the_image(name: str, size: int) -> None:
    assert decoded(*PACKED[name], size=size) == RAW


@pytest.mark.parametrize("name", PACKED)
def test_an_empty_chunk_is_not_the_end(name: str) -> None:
    kind, content = PACKED[name]
    middle = len(content) // 2
    source = decoder(kind, iter([b"", content[:middle], b"", b"", content[middle:], b""]), "x")
    memory = memoryview(bytearray(len(RAW) + 1))
    assert source.read_into(memory) == len(RAW)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_a_second_stream_may_begin_with_a_chunk_of_its_own(pack: Callable[[bytes], bytes]) -> None:
    parts = [pack(b"one"), pack(b"two")]
    source = decoder(detect(parts[0]), iter(parts), "x")
    memory = memoryview(bytearray(100))
    assert source.read_into(memory) == 6
    assert bytes(memory[:6]) == b"onetwo"


@pytest.mark.parametrize("name", [name for name in PACKED if name != "raw"])
@pytest.mark.parametrize("lost", [1, 10, 5000])
def test_a_cut_stream_is_refused_in_our_words(name: str, lost: int) -> None:
    kind, content = PACKED[name]
    with pytest.raises(TargetMismatch, match=r"^x ends in the middle of its .*\.$") as caught:
        decoded(kind, content[:-lost])
    assert caught.value.hint


LIBRARY_WORDS = re.compile("zstd error|decompress|Corrupt|Error -|LZ4F?_|ZSTD_|limit|format")


@pytest.mark.parametrize("name", ["zstd", "xz", "gzip"])
def test_a_damaged_stream_is_refused(name: str) -> None:
    kind, content = PACKED[name]
    damaged = bytearray(content)
    damaged[len(damaged) // 2 : len(damaged) // 2 + 64] = bytes(64)
    with pytest.raises(TargetMismatch, match=r"^x has damaged ") as caught:
        decoded(kind, bytes(damaged))
    assert not LIBRARY_WORDS.search(str(caught.value))


def test_a_damaged_lz4_block_is_refused() -> None:
    content = bytearray(frame.compress(b"ab" * 99999, block_linked=False))
    content[20:40] = b"\xff" * 20
    with pytest.raises(TargetMismatch, match=r"^x has a damaged LZ4 block"):
        decoded(Format.LZ4, bytes(content))


def test_a_zstd_window_that_takes_too_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = packer.compress(bytes(2 * WINDOW)) + packer.flush()
    with pytest.raises(TargetMismatch, match="window of 128 MiB; at most 8 MiB"):
        decoded(Format.ZSTD, content)


def test_an_xz_dictionary_that_takes_too_much_memory_is_refused() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 64 << 20}]
    content = lzma.compress(RAW, filters=filters)
    with pytest.raises(TargetMismatch, match="dictionary above 8 MiB"):
        decoded(Format.XZ, content)


def test_a_bomb_comes_out_in_pieces() -> None:
    content = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = content.compress(bytes(64 << 20)) + content.flush()
    source = decoder(Format.GZIP, iter([bomb]), "x")
    assert source.read_into(memoryview(bytearray(4096))) == 4096
