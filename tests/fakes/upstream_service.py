"""A service that answers as Bottlerocket's does: no Location, a status in scripted steps."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OUTCOME = "/updates/commands/1"
IMAGE = {"arch": "x86_64", "version": "1.0.0", "variant": "edge-gw"}


def status(
    state: str = "Available", command: str = "refresh", at: str = "t0", how: str = "Success"
) -> dict[str, Any]:
    """A status after a command."""
    return {
        "update_state": state,
        "available_updates": ["1.1.0"],
        "chosen_update": None,
        "active_partition": {"image": IMAGE, "next_to_boot": True},
        "staging_partition": None,
        "most_recent_command": {
            "cmd_type": command,
            "cmd_status": how,
            "timestamp": at,
            "exit_status": 0 if how == "Success" else 1,
            "stderr": "" if how == "Success" else "the disk is gone\n",
        },
    }


@dataclass
class Script:
    """What it answers: statuses in turn, the last one again and again; a number is an error.

    Attributes:
        statuses: answers to GET /updates/status.
        posts: answers to each POST by its path, in turn; 204 where none is left.
        outcomes: answers to GET /updates/commands/1, which each POST names then, as our service
            does; the last one again and again.
        progress: answer to GET /updates/progress, which only our service has.
        log: what was asked.
    """

    statuses: list[dict[str, Any] | int]
    posts: dict[str, list[int]] = field(default_factory=dict)
    outcomes: list[dict[str, Any] | int] = field(default_factory=list)
    progress: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str) -> tuple[int, bytes]:
        self.log.append(f"{method} {path}")
        if method == "POST":
            left = self.posts.get(path, [])
            code = left.pop(0) if left else 204
            return code, b"busy\n" if code >= 400 else b""
        answers: dict[str, list[dict[str, Any] | int]] = {
            "/updates/status": self.statuses,
            "/updates/progress": [self.progress] if self.progress else [],
            OUTCOME: self.outcomes,
        }
        left_to_tell = answers.get(path)
        if not left_to_tell:
            return 404, b"no such thing\n"
        told = left_to_tell.pop(0) if len(left_to_tell) > 1 else left_to_tell[0]
        if isinstance(told, int):
            return told, b"busy\n"
        return 200, json.dumps(told).encode()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    script: Script

    def handle_error(self, request: object, client_address: object) -> None:
        # A client that hangs up early is none of a test's business.
        del request, client_address


class _Exchange(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._reply("GET")

    def do_POST(self) -> None:
        self._reply("POST")

    def _reply(self, method: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        code, body = self.server.script.answer(method, self.path)
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if code == 200 else "text/plain")
        if method == "POST" and self.server.script.outcomes:
            self.send_header("Location", OUTCOME)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "peer"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        del format, args


@contextmanager
def upstream(path: Path, script: Script) -> Iterator[Script]:
    """Answer on a socket while the block runs."""
    with _Server(str(path), _Exchange) as server:
        server.script = script
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
