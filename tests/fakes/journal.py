"""A journal: a real datagram socket, and what systemd's own would make of what arrives."""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST = 1 << 20
PATIENCE = 60.0


class Journal:
    """Receives records.

    Args:
        listener: the socket.
        path: where it is bound.
    """

    def __init__(self, listener: socket.socket, path: Path) -> None:
        self._listener = listener
        self.path = path

    def record(self) -> dict[str, str]:
        """The next one; it must be under way."""
        data, rights, _, _ = self._listener.recvmsg(LARGEST, socket.CMSG_SPACE(4))
        for _, _, content in rights:
            (descriptor,) = array.array("i", content)
            with os.fdopen(descriptor, "rb") as file:
                file.seek(0)
                data = file.read()
        return decoded(data)

    def records(self) -> list[dict[str, str]]:
        """All that have arrived."""
        found = []
        self._listener.settimeout(0)
        try:
            while True:
                found.append(self.record())
        except BlockingIOError:
            return found
        finally:
            self._listener.settimeout(PATIENCE)


@contextmanager
def journal(path: Path) -> Iterator[Journal]:
    """A journal that listens while the block runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(PATIENCE)
        yield Journal(listener, path)


def decoded(data: bytes) -> dict[str, str]:
    """The fields of a datagram, by systemd's rules."""
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value, end, data = (
                data[8 : 8 + length],
                data[8 + length : 9 + length],
                data[9 + length :],
            )
            assert end == b"\n"
        fields[name.decode()] = value.decode()
    return fields
