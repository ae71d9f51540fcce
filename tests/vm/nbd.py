"""A small NBD server: a drive for QEMU, served from this process.

The fixed newstyle handshake and simple replies of the NBD protocol, as far as a client needs them
that only reads, writes and flushes: one export, no TLS, no structured replies. Requests are
answered one after the other, so that the order of the log is the order in which the drive took
them.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

NBD_MAGIC = 0x4E42444D41474943
OPTION_MAGIC = 0x49484156454F5054
OPTION_REPLY_MAGIC = 0x0003E889045565A9
REQUEST_MAGIC = 0x25609513
REPLY_MAGIC = 0x67446698

FIXED_NEWSTYLE, NO_ZEROES = 1, 2
OPT_EXPORT_NAME, OPT_ABORT, OPT_LIST, OPT_INFO, OPT_GO = 1, 2, 3, 6, 7
REP_ACK, REP_SERVER, REP_INFO = 1, 2, 3
REP_ERR_UNSUP, REP_ERR_UNKNOWN = (1 << 31) + 1, (1 << 31) + 6
INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
HAS_FLAGS, SEND_FLUSH, SEND_FUA = 1, 4, 8
CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH = 0, 1, 2, 3
CMD_FLAG_FUA = 1
EINVAL = 22
EXPORT = b"disk"
LARGEST = 32 << 20
"""The longest read or write of a client that keeps to the protocol."""


class Drive(Protocol):
    """What the server serves."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes as written last, durable or not."""
        ...

    def write(self, offset: int, data: bytes, *, fua: bool = False) -> None:
        """Take bytes; with `fua` they are on the medium when this returns."""
        ...

    def flush(self) -> None:
        """Bring everything taken so far onto the medium."""
        ...


class HungUp(Exception):
    """The client has gone."""


@contextmanager
def served(drive: Drive) -> Iterator[str]:
    """Serve a drive on a free port of the loopback address while the block runs.

    Yields:
        Its address, ``nbd://127.0.0.1:PORT/disk``.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener, _Server(listener, drive):
        yield f"nbd://127.0.0.1:{listener.getsockname()[1]}/{EXPORT.decode()}"


class _Server:
    """Takes connections in threads of their own until it is left."""

    def __init__(self, listener: socket.socket, drive: Drive) -> None:
        self._listener = listener
        self._drive = drive
        self._order = threading.Lock()
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]

    def __enter__(self) -> None:
        self._threads[0].start()

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=[client]))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(HungUp, OSError):
            _Conversation(client, self._drive, self._order).hold()


class _Conversation:
    """One client, from the greeting to the end."""

    def __init__(self, client: socket.socket, drive: Drive, order: threading.Lock) -> None:
        self._client = client
        self._drive = drive
        self._order = order
        self._options: dict[int, Callable[[int, bytes], bool]] = {
            OPT_EXPORT_NAME: self._export_name,
            OPT_ABORT: self._abort,
            OPT_LIST: self._list,
            OPT_INFO: self._info,
            OPT_GO: self._info,
        }

    def hold(self) -> None:
        """Agree on the export, then answer requests."""
        self._client.sendall(
            struct.pack(">QQH", NBD_MAGIC, OPTION_MAGIC, FIXED_NEWSTYLE | NO_ZEROES)
        )
        self._padded = not self._take(">I")[0] & NO_ZEROES
        while not self._option():
            pass
        while True:
            self._request()

    def _option(self) -> bool:
        """Answer one option; True if requests follow."""
        magic, option, length = self._take(">QII")
        if magic != OPTION_MAGIC or length > LARGEST:
            raise HungUp
        data = self._receive(length)
        return self._options.get(option, self._unsupported)(option, data)

    def _export_name(self, _option: int, name: bytes) -> bool:
        if name not in {b"", EXPORT}:
            raise HungUp  # the protocol has no other way to say no to this option
        self._client.sendall(self._geometry() + bytes(124 if self._padded else 0))
        return True

    def _abort(self, option: int, _data: bytes) -> bool:
        self._answer(option, REP_ACK)
        raise HungUp

    def _list(self, option: int, _data: bytes) -> bool:
        self._answer(option, REP_SERVER, struct.pack(">I", len(EXPORT)) + EXPORT)
        self._answer(option, REP_ACK)
        return False

    def _info(self, option: int, data: bytes) -> bool:
        (length,) = struct.unpack_from(">I", data)
        if data[4 : 4 + length] not in {b"", EXPORT}:
            self._answer(option, REP_ERR_UNKNOWN)
            return False
        self._answer(option, REP_INFO, struct.pack(">H", INFO_EXPORT) + self._geometry())
        sizes = struct.pack(">HIII", INFO_BLOCK_SIZE, 512, 4096, LARGEST)
        self._answer(option, REP_INFO, sizes)
        self._answer(option, REP_ACK)
        return option == OPT_GO

    def _unsupported(self, option: int, _data: bytes) -> bool:
        self._answer(option, REP_ERR_UNSUP)
        return False

    def _geometry(self) -> bytes:
        return struct.pack(">QH", self._drive.size, HAS_FLAGS | SEND_FLUSH | SEND_FUA)

    def _answer(self, option: int, kind: int, data: bytes = b"") -> None:
        head = struct.pack(">QIII", OPTION_REPLY_MAGIC, option, kind, len(data))
        self._client.sendall(head + data)

    def _request(self) -> None:
        magic, flags, command, cookie, offset, length = self._take(">IHHQQI")
        if magic != REQUEST_MAGIC or command == CMD_DISC or length > LARGEST:
            raise HungUp
        data = self._receive(length) if command == CMD_WRITE else b""
        error, found = self._do(flags, command, offset, data or length)
        self._client.sendall(struct.pack(">IIQ", REPLY_MAGIC, error, cookie) + found)

    def _do(self, flags: int, command: int, offset: int, what: bytes | int) -> tuple[int, bytes]:
        """Return an error number and the bytes that were read."""
        length = what if isinstance(what, int) else len(what)
        if command != CMD_FLUSH and offset + length > self._drive.size:
            return EINVAL, b""
        with self._order:
            if command == CMD_READ:
                return 0, self._drive.read(offset, length)
            if command == CMD_WRITE and isinstance(what, bytes):
                self._drive.write(offset, what, fua=bool(flags & CMD_FLAG_FUA))
            elif command == CMD_FLUSH:
                self._drive.flush()
            else:
                return EINVAL, b""
        return 0, b""

    def _take(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self._receive(struct.calcsize(form)))

    def _receive(self, length: int) -> bytes:
        data = bytearray(length)
        view, done = memoryview(data), 0
        while done < length:
            got = self._client.recv_into(view[done:])
            if not got:
                raise HungUp
            done += got
        return bytes(data)
