"""Log records as the journal takes them: fields in one datagram (systemd's native protocol).

The format is systemd's: ``NAME=value`` and a newline, or where the value has newlines itself,
``NAME``, a newline, its length as 64 bits little endian, the value and a newline. What is too large
for a datagram goes as a sealed file descriptor.
"""

from __future__ import annotations

import array
import errno
import fcntl
import logging
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_PRIORITIES = ((40, 3), (30, 4), (20, 6), (0, 7))
"""From which level on a record has which priority of syslog."""


def stream_is_journal(environment: Mapping[str, str], descriptor: int) -> bool:
    """Whether what is written to a descriptor ends in the journal.

    systemd says in ``JOURNAL_STREAM`` which file that is. A child whose output goes elsewhere has
    inherited the variable all the same, so it is compared.
    """
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    if not (device.isdecimal() and inode.isdecimal()):
        return False
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (int(device), int(inode))


def encode(fields: Mapping[str, str]) -> bytes:
    """The fields as one datagram."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="backslashreplace")
        if b"\n" in data:
            parts.append(b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data))
        else:
            parts.append(b"%s=%s\n" % (name.encode(), data))
    return b"".join(parts)


def priority(level: int) -> int:
    """The priority of syslog for a level of `logging`."""
    return next(found for least, found in _PRIORITIES if level >= least)


class JournalHandler(logging.Handler):
    """Sends records to the journal.

    Args:
        path: its socket.
        fields: what each record is sent with, by the names of the journal.
        program: who logs.
    """

    keeps_fields = True

    def __init__(
        self, path: Path, fields: Callable[[logging.LogRecord], Mapping[str, str]], program: str
    ) -> None:
        super().__init__()
        self._path = path
        self._fields = fields
        self._program = program
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; one that cannot be sent is told on stderr, as `logging` does."""
        try:
            fields = {
                "MESSAGE": self.format(record),
                "PRIORITY": str(priority(record.levelno)),
                "SYSLOG_IDENTIFIER": self._program,
                "CODE_FUNC": record.funcName or "",
                "LOGGER": record.name,
                **self._fields(record),
            }
            self._send(encode(fields))
        except Exception:  # noqa: BLE001 - a log that fails must not end what is logged
            self.handleError(record)

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendto(data, str(self._path))
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            self._send_as_file(data)

    def _send_as_file(self, data: bytes) -> None:
        descriptor = os.memfd_create("updog-log", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            self._socket.sendmsg([b""], rights, 0, str(self._path))
        finally:
            os.close(descriptor)
