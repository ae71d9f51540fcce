from __future__ import annotations

import os
import socket

import pytest

from updog.errors import ConfigError
from updog.service.peers import Access, Peer, access, group_number, peer_of
from updog.settings import Service

ROOT, READER, ACTOR, NOBODY = (
    Peer(1, 0, frozenset({0})),
    Peer(2, 1000, frozenset({1000, 50})),
    Peer(3, 1001, frozenset({1001, 60})),
    Peer(4, 1002, frozenset({1002})),
)
PEERS = (ROOT, READER, ACTOR, NOBODY)


def allowed(who: Access) -> tuple[list[bool], list[bool]]:
    return [who.may_read(each) for each in PEERS], [who.may_act(each) for each in PEERS]


def test_the_kernel_tells_who_connected() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        peer = peer_of(ours)
    assert peer == Peer(os.getpid(), os.getuid(), frozenset({os.getgid(), *os.getgroups()}))


def test_without_groups_the_socket_alone_decides() -> None:
    assert allowed(access(Service(), 0)) == ([True] * 4, [True] * 4)


def test_those_who_may_act_may_ask_too() -> None:
    who = access(Service(read_groups=("50",), act_groups=("60",)), 0)
    assert allowed(who) == ([True, True, True, False], [True, False, True, False])


def test_without_groups_for_asking_everybody_may_ask() -> None:
    who = access(Service(act_groups=("60",)), 0)
    assert allowed(who) == ([True] * 4, [True, False, True, False])


def test_without_groups_for_acting_asking_can_still_be_narrowed() -> None:
    who = access(Service(read_groups=("50",)), 0)
    assert allowed(who)[0] == [True, True, False, False]


def test_the_service_may_speak_to_itself() -> None:
    assert access(Service(act_groups=("60",)), 1002).may_act(NOBODY)


def test_groups_have_names_or_numbers() -> None:
    assert group_number("root", "service.group") == 0
    assert group_number("77", "service.group") == 77
    with pytest.raises(ConfigError, match=r"service\.act_groups: there is no group 'no-such'"):
        access(Service(act_groups=("no-such",)), 0)
