"""The command that says whether a node is well. It runs in the agent, which may do so little."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from subprocess import DEVNULL, PIPE, STDOUT

SECONDS = 60.0
LONGEST_WORDS = 200


async def complaint(command: Sequence[str], node: str, limit: float = SECONDS) -> str:
    """Run the command; what is wrong, or nothing.

    Args:
        command: the program and its arguments; empty finds nothing wrong.
        node: given to it as ``NODE_NAME``.
        limit: seconds that it may take.
    """
    if not command:
        return ""
    environment = {**os.environ, "NODE_NAME": node}
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment
        )
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror}"
    try:
        said, _ = await asyncio.wait_for(process.communicate(), limit)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"{command[0]} took longer than {limit:g} seconds"
    if process.returncode == 0:
        return ""
    words = said.decode(errors="replace").strip()[-LONGEST_WORDS:]
    return f"{command[0]} ended with {process.returncode}: {words}"
