"""What docs/serving.md tells a web server, and the units that keep a repository alive."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path

import pytest

from repo_tools.repository import Repository
from repo_tools.stores.headers import headers_of
from tests.fakes.nginx import Site, free_port, nginx
from tests.fakes.repositories import published_repository

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "packaging" / "systemd"
SERVICE = UNITS / "updog-repo-refresh.service"
TIMER = UNITS / "updog-repo-refresh.timer"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is missing: run .ci/setup"
)


def snippet() -> str:
    """The lines for nginx, without the folder."""
    found = re.search(
        r"```nginx\nroot [^\n]*\n(.*?)```", ROOT.joinpath("docs/serving.md").read_text(), re.DOTALL
    )
    assert found
    return found[1].replace("\n", " ")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return published_repository(tmp_path / "repository")


@pytest.fixture
def url(repository: Repository, tmp_path: Path) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    with nginx(tmp_path / "nginx", Site(repository.published, extra=snippet()), address):
        yield f"http://{address}"


def ask(url: str) -> tuple[int, Message]:
    """The status and headers of an answer, also of a refusal."""
    try:
        answer = urllib.request.urlopen(url)  # noqa: S310 - loopback
    except urllib.error.HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, answer.headers


def test_nginx_sends_the_headers_that_a_bucket_would(repository: Repository, url: str) -> None:
    files = [path for path in repository.published.rglob("*") if path.is_file()]
    assert len(files) > 6
    for path in files:
        name = str(path.relative_to(repository.published))
        (status, sent), wanted = ask(f"{url}/{name}"), headers_of(name)
        assert status == 200
        assert sent["Cache-Control"] == wanted.cache_control, name
        assert sent["Content-Type"] == wanted.content_type, name
        assert sent["Content-Encoding"] is None


def test_no_cache_keeps_that_the_next_root_is_missing(url: str) -> None:
    status, headers = ask(f"{url}/edge/x86_64/2.root.json")
    assert status == 404
    assert headers["Cache-Control"] is None


def test_nginx_shows_no_lock_and_no_folder(repository: Repository, url: str) -> None:
    (repository.published / ".updog-repo.lock").touch()
    for name in (".updog-repo.lock", "targets/"):
        assert ask(f"{url}/{name}")[0] in {403, 404}


@needs_systemd
def test_the_units_are_right_for_systemd(tmp_path: Path) -> None:
    installed = Path(sys.executable).with_name("updog-repo")
    service = SERVICE.read_text().replace("/usr/bin/updog-repo", str(installed))
    (tmp_path / SERVICE.name).write_text(service)
    shutil.copy(TIMER, tmp_path)
    units = [str(tmp_path / SERVICE.name), str(tmp_path / TIMER.name)]
    done = subprocess.run(
        ["systemd-analyze", "--man=no", "verify", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_service_may_do_little() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(SERVICE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


@needs_systemd
def test_the_timer_looks_several_times_before_anything_expires() -> None:
    every = re.search(r"^OnCalendar=(.*)$", TIMER.read_text(), re.MULTILINE)
    assert every
    friday = datetime(2031, 4, 11, 18, tzinfo=UTC)
    command = ["systemd-analyze", "calendar", "--iterations=20", f"--base-time={friday:%F %T} UTC"]
    shown = subprocess.run(
        [*command, every[1]], capture_output=True, text=True, check=True, env={"TZ": "UTC"}
    ).stdout
    times = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", shown)
    told = [datetime.strptime(f"{time}+0000", "%Y-%m-%d %H:%M:%S%z") for time in times]
    # What is left alone on Friday evening is renewed on the same weekend.
    assert sum(friday < time <= friday + timedelta(days=3) for time in told) >= 12
    assert "--if-within 3d" in SERVICE.read_text()
