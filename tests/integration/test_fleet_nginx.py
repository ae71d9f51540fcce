"""The fleet view of what our own client did, as a real nginx logged it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from repo_tools.cli import main as updog_repo
from tests.fakes.client_world import ARCH, SEED, V1, V2, VARIANT, ClientWorld, FileWorld, release
from tests.fakes.nginx import Site, free_port, nginx
from updog.cli import main as updog


@dataclass
class Served:
    """A host, and the log of the server it asks."""

    host: FileWorld
    log: Path

    def runs(self, *words: str) -> int:
        return updog(["--config", str(self.host.config), *words])

    def comes_back_with(self, version: object) -> None:
        os_release = self.host.client.paths.os_release
        os_release.write_text(f"VERSION_ID={version}\nVARIANT_ID={VARIANT}\n")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    client = ClientWorld(tmp_path)
    client.offer(release(V2), migrations={(V1, V2): ("migrate.lz4",)})
    host, port = FileWorld(client), free_port()
    host.save(
        metadata_base_url=f"http://127.0.0.1:{port}/{VARIANT}/{ARCH}",
        targets_base_url=f"http://127.0.0.1:{port}/targets",
    )
    metadata = f"location /{VARIANT}/{ARCH}/ {{ alias {tmp_path}/repository/metadata/; }}"
    server = tmp_path / "nginx"
    with nginx(server, Site(tmp_path / "repository", extra=metadata), f"127.0.0.1:{port}"):
        yield Served(host, server / "access.log")


def report(served: Served, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    asked = ["fleet", str(served.log), "-v", str(V2), "--json", "--threads", "1", *words]
    assert updog_repo(asked) == 0
    return json.loads(capsys.readouterr().out)


def two_days_later(line: str) -> str:
    """The same line, written when two days had gone."""
    written = re.search(r"\[([^\]]+)\]", line)
    assert written
    form = "%d/%b/%Y:%H:%M:%S %z"
    later = datetime.strptime(written[1], form).astimezone(UTC) + timedelta(days=2)
    return line.replace(written[1], f"{later:{form}}")


def test_an_update_is_seen_from_the_first_check_to_the_report(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.runs("check-update") == 0
    assert report(served, capsys)["states"] == {"due": 1}
    assert served.runs("update") == 0
    assert report(served, capsys)["states"] == {"on the way": 1}
    served.comes_back_with(V2)
    assert served.runs("check-update") == 1
    found = report(served, capsys)
    assert found["states"] == {"running": 1}
    (seen,) = found["versions"]
    assert (seen["version"], seen["variant"], seen["arch"]) == (str(V2), VARIANT, ARCH)
    assert found["lines"]["unreadable"] == found["lines"]["other"] == 0


def test_a_host_that_comes_back_with_the_old_release_is_found(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served.runs("update") == 0
    lines = served.log.read_text().splitlines(keepends=True)
    # The next check comes two days later, and from the old release.
    check = next(line for line in lines if "timestamp.json" in line)
    served.log.write_text("".join([*lines, two_days_later(check)]))
    found = report(served, capsys)
    assert found["states"] == {"unchanged": 1}
    (lost,) = found["lost"]["listed"]
    assert (lost["seed"], lost["version"]) == (SEED, str(V1))


def test_a_client_that_keeps_to_itself_is_not_in_the_fleet(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    with served.host.config.open("a") as config:
        config.write("\n[download]\nsend_host_info = false\n")
    assert served.runs("check-update") == 0
    assert updog_repo(["fleet", str(served.log), "-v", str(V2)]) == 65
    assert "from a client that tells its seed and version" in capsys.readouterr().err
