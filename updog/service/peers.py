"""Who is at the other end of a connection, by the kernel's word, and what they may do."""

from __future__ import annotations

import grp
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

from updog.errors import ConfigError
from updog.settings import Service

SO_PEERGROUPS = 59
"""Linux: all groups of the peer, which Python has no name for."""
MAX_GROUPS = 256
"""What Python reads at once; of a peer with more groups only the primary one is known."""
_CREDENTIALS = struct.Struct("iII")
_GID = struct.Struct("I")


class Peer(NamedTuple):
    """A process that connected, as it was then.

    Attributes:
        pid: its number.
        uid: its user.
        groups: its groups, supplementary ones included.
    """

    pid: int
    uid: int
    groups: frozenset[int]


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel who connected.

    Raises:
        OSError: it does not say.
    """
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(said)
    return Peer(pid, uid, frozenset({gid, *_more_groups(connection)}))


def _more_groups(connection: socket.socket) -> Iterable[int]:
    try:
        said = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, MAX_GROUPS * _GID.size)
    except OSError:  # too many, or a kernel before 4.13; fewer groups never allow more
        return ()
    return (each for (each,) in _GID.iter_unpack(said))


class Access(NamedTuple):
    """Who may do what.

    Root and the service's own user may do everything. Where no group is named, whoever may open
    the socket may; its mode and group are the first gate.

    Attributes:
        uids: users who may do everything.
        readers: groups that may ask; None for everybody.
        actors: groups that may ask and change; None for everybody.
    """

    uids: frozenset[int]
    readers: frozenset[int] | None = None
    actors: frozenset[int] | None = None

    def may_act(self, peer: Peer) -> bool:
        """Whether a peer may change something."""
        return peer.uid in self.uids or self.actors is None or bool(peer.groups & self.actors)

    def may_read(self, peer: Peer) -> bool:
        """Whether a peer may ask."""
        if peer.uid in self.uids or self.readers is None or peer.groups & self.readers:
            return True
        return self.actors is not None and bool(peer.groups & self.actors)


def access(settings: Service, own_uid: int) -> Access:
    """The configuration's groups as numbers.

    Raises:
        ConfigError: there is no such group.
    """
    actors = _numbers(settings.act_groups, "service.act_groups")
    return Access(
        frozenset({0, own_uid}),
        _numbers(settings.read_groups, "service.read_groups"),
        actors,
    )


def group_number(name: str, key: str) -> int:
    """The number of a group, given by name or number.

    Raises:
        ConfigError: there is no such group; names the key.
    """
    if name.isascii() and name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        hint = "Create it (groupadd --system NAME), or correct the configuration."
        raise ConfigError(f"{key}: there is no group {name!r}.", hint=hint) from error


def _numbers(names: Iterable[str], key: str) -> frozenset[int] | None:
    return frozenset(group_number(name, key) for name in names) or None
