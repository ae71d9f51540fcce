"""The keys of the update service: ``[service]``."""

from __future__ import annotations

from updog import config_values as values
from updog.config_fragment import Fragment, Key
from updog.settings import Service

SOCKET = Key("service.socket", values.path)
GROUP = Key("service.group", values.text)
READ_GROUPS = Key("service.read_groups", values.words)
ACT_GROUPS = Key("service.act_groups", values.words)


def service(merged: Fragment) -> Service:
    """Who may speak to the service, and where.

    Raises:
        ConfigError: a value breaks its rule.
    """
    get, default = merged.get, Service()
    return Service(
        socket=get(SOCKET, default.socket),
        group=get(GROUP, default.group),
        read_groups=get(READ_GROUPS, default.read_groups),
        act_groups=get(ACT_GROUPS, default.act_groups),
    )
