"""A real nginx on loopback (or in a network namespace), with a configuration of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Site:
    """What to serve.

    Attributes:
        files: the directory to serve.
        certificate: chain and key in one PEM file, or None for plain HTTP.
        clients: PEM of the authority of client certificates, or None to ask for none.
        extra: further lines for the server block.
    """

    files: Path
    certificate: Path | None = None
    clients: Path | None = None
    extra: str = ""

    def block(self, listen: str) -> str:
        """Return the server block."""
        lines = [f"listen {listen}{' ssl' if self.certificate else ''};", f"root {self.files};"]
        if self.certificate:
            lines += [f"ssl_certificate {self.certificate};"]
            lines += [f"ssl_certificate_key {self.certificate};"]
        if self.clients:
            lines += [f"ssl_client_certificate {self.clients};", "ssl_verify_client on;"]
        return "server { " + " ".join([*lines, self.extra]) + " }"


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that nobody listens on right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def nginx(
    home: Path, site: Site, listen: str, *, prefix: Sequence[str] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """Run nginx while the block runs.

    Args:
        home: a fresh directory for its files.
        site: what to serve.
        listen: address and port, as nginx writes them.
        prefix: a command to run it under, such as ``ip netns exec``.
    """
    home.mkdir(parents=True, exist_ok=True)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)
    home.joinpath("nginx.conf").write_text(
        f"daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;\n"
        "events { worker_connections 64; }\n"
        f"http {{ access_log {home}/access.log; {temporary}\n{site.block(listen)} }}\n"
    )
    command = [*prefix, "/usr/sbin/nginx", "-p", str(home), "-c", str(home / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await(home / "pid", process)
            yield process
        finally:
            process.terminate()


def _await(pid: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for the file that nginx writes once its sockets are open."""
    deadline = time.monotonic() + START_LIMIT
    while not (pid.exists() and pid.read_text()):
        assert process.poll() is None, pid.parent.joinpath("error.log").read_text()
        assert time.monotonic() < deadline, "nginx did not start"
        time.sleep(0.02)
