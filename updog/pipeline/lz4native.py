"""LZ4 blocks decoded straight into memory that is used again.

The lz4 package decodes into new memory and copies that into a bytes object: two times 4 MiB for
each block, and more time in page faults than in decoding. Its extension module carries the own
function of the library, which is called here with both addresses and both sizes; it never writes
outside of them. Where it cannot be found, the package's way is taken, with the same result.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeAlias

from lz4 import block as lz4_block

_Native: TypeAlias = Callable[[Any, Any, int, int], int]


def _find() -> _Native | None:
    try:
        function = ctypes.CDLL(lz4_block._block.__file__).LZ4_decompress_safe  # noqa: SLF001 - see above
    except (AttributeError, OSError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    function.restype = ctypes.c_int
    found: _Native = function
    return found


_native = _find()


def decode_into(data: memoryview, room: memoryview, native: _Native | None = _native) -> int:
    """Decode one block into `room` and return how many bytes it has.

    Args:
        data: the block as it is stored, without its size word.
        room: writable memory, as large as the block may get.
        native: the library's function; None for the package's.

    Raises:
        ValueError: the block is not sound, or decodes to more than fits.
    """
    if native is None or data.readonly:
        return _by_package(data, room)
    source = ctypes.c_char.from_buffer(data)
    target = ctypes.c_char.from_buffer(room)
    count = native(ctypes.addressof(source), ctypes.addressof(target), len(data), len(room))
    if count < 0:
        raise ValueError(f"damaged at byte {-count}, or larger than {len(room)} bytes")
    return count


def _by_package(data: memoryview, room: memoryview) -> int:
    try:
        raw = lz4_block.decompress(data, uncompressed_size=len(room))
    except lz4_block.LZ4BlockError as error:
        raise ValueError(f"damaged, or larger than {len(room)} bytes") from error
    room[: len(raw)] = raw
    return len(raw)
