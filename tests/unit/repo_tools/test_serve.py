from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from repo_tools.serve import serving

IMAGE = bytes(range(256)) * 4000
HASH = sha256(IMAGE).hexdigest()
TARGET = f"/targets/{HASH}.root.ext4.lz4"


@dataclass
class Site:
    folder: Path
    url: str
    log: list[str] = field(default_factory=list)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=10)

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request on a connection of its own; underscores in header names are dashes."""
        connection = self.connect()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "published"
    (folder / "targets").mkdir(parents=True)
    (folder / TARGET[1:]).write_bytes(IMAGE)
    (folder / "edge/x86_64").mkdir(parents=True)
    (folder / "edge/x86_64/timestamp.json").write_bytes(b"{}")
    (folder / "empty").touch()
    (tmp_path / "secret").write_text("private key")
    log: list[str] = []
    with serving(folder, log=log.append) as url:
        yield Site(folder, url, log)


def test_whole_file(site: Site) -> None:
    response, body = site.ask(TARGET)
    assert (response.status, body) == (200, IMAGE)
    assert response.headers["Content-Length"] == str(len(IMAGE))
    assert response.headers["Accept-Ranges"] == "bytes"


def test_empty_file(site: Site) -> None:
    response, body = site.ask("/empty")
    assert (response.status, body) == (200, b"")


def test_query_parameters_mean_nothing(site: Site) -> None:
    assert site.ask(f"{TARGET}?seed=7&version=1.0.0")[1] == IMAGE


def test_head_has_the_headers_of_get_and_no_body(site: Site) -> None:
    got, _ = site.ask(TARGET)
    head, body = site.ask(TARGET, "HEAD")
    assert body == b""
    for name in ("Content-Length", "ETag", "Accept-Ranges", "Content-Type"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=1000-", 1000, len(IMAGE) - 1),
        ("bytes=-5", len(IMAGE) - 5, len(IMAGE) - 1),
        ("bytes=300000-900000", 300_000, 900_000),
    ],
)
def test_part_of_a_file(site: Site, asked: str, first: int, last: int) -> None:
    response, body = site.ask(TARGET, Range=asked)
    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(IMAGE)}"
    assert body == IMAGE[first : last + 1]


def test_head_of_a_part(site: Site) -> None:
    response, body = site.ask(TARGET, "HEAD", Range="bytes=10-19")
    assert (response.status, response.headers["Content-Length"], body) == (206, "10", b"")


def test_part_behind_the_end(site: Site) -> None:
    response, body = site.ask(TARGET, Range=f"bytes={len(IMAGE)}-")
    assert (response.status, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(IMAGE)}"


def test_several_parts_come_in_one_answer(site: Site) -> None:
    response, body = site.ask(TARGET, Range="bytes=0-1,300000-900000")
    assert response.status == 206
    assert response.headers["Content-Length"] == str(len(body))
    assert "Content-Range" not in response.headers
    message = message_from_bytes(
        f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode() + body
    )
    parts = list(message.walk())[1:]
    assert [part.get_payload(decode=True) for part in parts] == [IMAGE[:2], IMAGE[300000:900001]]
    assert parts[1]["Content-Range"] == f"bytes 300000-900000/{len(IMAGE)}"


def test_head_of_several_parts(site: Site) -> None:
    got, _ = site.ask(TARGET, Range="bytes=0-1,5-6")
    head, body = site.ask(TARGET, "HEAD", Range="bytes=0-1,5-6")
    assert (head.status, body) == (206, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]


def test_one_of_several_parts_that_is_inside_comes_alone(site: Site) -> None:
    response, body = site.ask(TARGET, Range=f"bytes=5-6,{len(IMAGE)}-")
    assert (response.status, body) == (206, IMAGE[5:7])
    assert response.headers["Content-Range"] == f"bytes 5-6/{len(IMAGE)}"


def test_more_bytes_than_there_are_come_as_the_whole(site: Site) -> None:
    response, body = site.ask(TARGET, Range="bytes=0-,1-")
    assert (response.status, body) == (200, IMAGE)


def test_tag_of_a_target_is_its_hash(site: Site) -> None:
    assert site.ask(TARGET, "HEAD")[0].headers["ETag"] == f'"{HASH}"'


def test_tag_of_metadata_is_its_hash(site: Site) -> None:
    response, _ = site.ask("/edge/x86_64/timestamp.json")
    assert response.headers["ETag"] == f'"{sha256(b"{}").hexdigest()}"'


def test_part_of_the_same_file_is_given(site: Site) -> None:
    response, body = site.ask(TARGET, Range="bytes=5-9", If_Range=f'"{HASH}"')
    assert (response.status, body) == (206, IMAGE[5:10])


@pytest.mark.parametrize("tag", ['"other"', f'W/"{HASH}"', "Mon, 07 Apr 2031 09:00:00 GMT"])
def test_part_of_another_file_is_answered_by_the_whole(site: Site, tag: str) -> None:
    response, body = site.ask(TARGET, Range="bytes=5-9", If_Range=tag)
    assert (response.status, body) == (200, IMAGE)


def test_unchanged_metadata_is_not_sent_again(site: Site) -> None:
    tag = site.ask("/edge/x86_64/timestamp.json")[0].headers["ETag"]
    response, body = site.ask("/edge/x86_64/timestamp.json", If_None_Match=tag)
    assert (response.status, body) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/targets",
        "/targets/",
        "/edge/x86_64/",
        "/nothing",
        "/edge/x86_64/2.root.json",
        "/../secret",
        "/targets/../../secret",
        "/%2e%2e/secret",
        "/targets%2f..%2f..%2fsecret",
        "/..%5csecret",
        "//secret",
        "/edge//x86_64/timestamp.json",
        "/./empty",
        "/empty%00",
        "/%c3%a9",
        "/%ff",
        "/" + "a" * 5000,
    ],
)
def test_nothing_else_is_given(site: Site, path: str) -> None:
    response, body = site.ask(path)
    assert response.status == 404
    assert b"private key" not in body


def test_absolute_path_does_not_leave_the_folder(site: Site) -> None:
    assert site.ask(f"/{site.folder.parent}/secret")[0].status == 404


def test_link_that_leads_out_is_not_followed(site: Site) -> None:
    (site.folder / "door").symlink_to(site.folder.parent / "secret")
    assert site.ask("/door")[0].status == 404


def test_half_written_files_are_not_given(site: Site) -> None:
    (site.folder / "targets/.tmp-abc").write_text("half")
    assert site.ask("/targets/.tmp-abc")[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(site: Site, method: str) -> None:
    assert site.ask(TARGET, method)[0].status == 501


def test_one_connection_carries_many_requests(site: Site) -> None:
    connection = site.connect()
    sockets = set()
    for path in (TARGET, "/nothing", "/edge/x86_64/timestamp.json", TARGET):
        connection.request("GET", path)
        connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert None not in sockets


def test_many_clients_are_served_at_once(site: Site) -> None:
    slow = [site.connect() for _ in range(20)]
    for connection in slow:
        connection.request("GET", TARGET)
    assert site.ask("/edge/x86_64/timestamp.json")[1] == b"{}"
    for connection in slow:
        assert connection.getresponse().read() == IMAGE
        connection.close()


def test_client_that_goes_away_does_no_harm(site: Site) -> None:
    parts = urlsplit(site.url)
    for _ in range(5):
        with socket.create_connection((parts.hostname, parts.port)) as raw:
            raw.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            raw.recv(10)
    assert site.ask(TARGET)[1] == IMAGE


def test_replaced_file_is_given_whole(site: Site) -> None:
    path = site.folder / TARGET[1:]
    connection = site.connect()
    connection.request("GET", TARGET)
    response = connection.getresponse()
    start = response.read(100)
    new = path.with_name("new")
    new.write_bytes(b"other")
    new.replace(path)
    assert start + response.read() == IMAGE
    connection.close()


def test_requests_are_logged(site: Site) -> None:
    site.ask("/nothing")
    assert any('"GET /nothing HTTP/1.1" 404' in line for line in site.log)


def test_server_is_gone_after_the_block(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        parts = urlsplit(url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((parts.hostname, parts.port))


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), serving(tmp_path / "gone"):
        pass


def test_taken_port_is_an_error(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        port = urlsplit(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), serving(tmp_path, port=port):
            pass
