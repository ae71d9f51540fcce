"""The command ``updog serve``: the update API on its Unix socket, until a signal ends it."""

from __future__ import annotations

import argparse
import os
import socket

from updog import config
from updog.errors import ConfigError


def run_parsed(args: argparse.Namespace) -> int:
    """Serve.

    Raises:
        UpdogError: the configuration or the socket cannot be used.
    """
    try:
        from updog.service.server import serve
    except ImportError as error:
        hint = "Install it with the extra 'service'."
        raise ConfigError(f"The update service needs {error.name}.", hint=hint) from error
    import asyncio
    from functools import partial

    from updog import notify
    from updog.clock import SystemClock
    from updog.invocation import remark
    from updog.service import listening, looking, peers
    from updog.service.app import Api
    from updog.service.keeper import Keeper, Machinery

    settings = config.load(args.config)
    if args.socket is not None:
        settings = settings._replace(
            service=settings.service._replace(socket=args.socket.absolute())
        )
    access = peers.access(settings.service, os.geteuid())
    record = looking.remembered(settings.paths)
    look = partial(looking.status, settings)
    machinery = Machinery(settings, args.config, SystemClock(), look, args.log_level)
    notifier = notify.from_environment(os.environ, os.getpid())

    async def run(listener: socket.socket) -> None:
        keeper = Keeper(machinery, record)
        application = Api(keeper, access, settings.paths).application()
        await serve(application, keeper, listener, notifier)

    with listening.listening(settings.service, os.environ, os.getpid()) as listener:
        remark(args, f"Listening on {listener.getsockname()}; a signal ends it.")
        asyncio.run(run(listener))
    return 0
