"""Lines of each kind of log, as servers and their manuals write them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from repo_tools.fleet.database import opened
from repo_tools.fleet.logformats import LogFormat, recognise
from repo_tools.fleet.sources import Packing, expand, look
from tests.fakes.accesslogs import SMALL, fill
from updog.errors import DataError, UsageError

ASKS = "/edge/x86_64/timestamp.json?seed=7&version=1.0.0"
NGINX = f'127.0.0.1 - - [07/Apr/2031:09:00:01 +0000] "GET {ASKS} HTTP/1.1" 200 512 "-" "updog"'
APACHE = (
    f'2001:db8::7 - frank [07/Apr/2031:11:00:01 +0200] "GET {ASKS} HTTP/1.1" 206 512'
    r' "http://www.example.com/a\"b" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
)
COMMON = f'host.example - - [07/Apr/2031:02:30:01 -0630] "GET {ASKS} HTTP/1.0" 304 -'
S3 = (
    "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be updates"
    " [07/Apr/2031:09:00:01 +0000] 192.0.2.3 - 3E57427F3EXAMPLE REST.GET.OBJECT"
    f' edge/x86_64/timestamp.json "GET {ASKS} HTTP/1.1" 200 - 113 113 7 - "-" "updog" - s9lzHYrF'
    " SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader updates.s3.us-west-1.amazonaws.com TLSV1.2"
)
CLOUDFRONT = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem"
    " sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type\n"
    "2031-04-07\t09:00:01\tLAX1\t2390282\t192.0.2.202\tGET\td111111abcdef8.cloudfront.net\t"
    "/edge/x86_64/timestamp.json\t200\t-\tupdog\tseed=7&version=1.0.0\t-\tHit"
)
MOMENT = datetime(2031, 4, 7, 9, 0, 1, tzinfo=UTC)
FORMATS = {
    "nginx": (NGINX, LogFormat.COMBINED),
    "apache": (APACHE, LogFormat.COMBINED),
    "common": (COMMON, LogFormat.COMBINED),
    "s3": (S3, LogFormat.S3),
    "cloudfront": (CLOUDFRONT, LogFormat.CLOUDFRONT),
}
each_format = pytest.mark.parametrize("name", FORMATS)


def read(
    tmp_path: Path, text: str | bytes, said: LogFormat | None = None
) -> list[tuple[object, ...]]:
    """The visits in a log: time, kind, address, seed, version."""
    log = tmp_path / "log"
    log.write_bytes(text.encode() if isinstance(text, str) else text)
    with opened(SMALL) as database:
        fill(database, log, said=said)
        return database.rows("SELECT requested_at, kind, client_ip, seed, version FROM visits")


@each_format
def test_the_format_is_told_by_the_lines(name: str) -> None:
    text, expected = FORMATS[name]
    layout = recognise(text.splitlines())
    assert layout is not None
    assert layout.format is expected


@each_format
def test_a_line_is_read_with_its_time_in_utc(tmp_path: Path, name: str) -> None:
    ((at, kind, ip, seed, version),) = read(tmp_path, FORMATS[name][0])
    assert (at, kind, seed, version) == (MOMENT.replace(tzinfo=None), "metadata", 7, "1.0.0")
    assert ip in {"127.0.0.1", "2001:db8::7", "host.example", "192.0.2.3", "192.0.2.202"}


@each_format
@pytest.mark.parametrize("packing", Packing)
def test_every_packing_is_recognised_by_its_bytes(
    tmp_path: Path, name: str, packing: Packing
) -> None:
    text = FORMATS[name][0].encode()
    packed = {
        Packing.PLAIN: text,
        # Logs are often appended to one another when they are archived.
        Packing.GZIP: gzip.compress(b"# a first member\n") + gzip.compress(text),
        Packing.ZSTD: zstandard.ZstdCompressor().compress(text),
    }[packing]
    assert [row[1] for row in read(tmp_path, packed)].count("metadata") == 1


def test_columns_of_cloudfront_stand_where_the_file_says(tmp_path: Path) -> None:
    text = (
        "#Fields: cs-uri-query c-ip time date sc-status cs-method cs-uri-stem sc-bytes\n"
        "seed=7&version=1.0.0\t192.0.2.1\t09:00:01\t2031-04-07\t200\tGET\t/a/b/timestamp.json\t1\n"
    )
    assert [row[1:] for row in read(tmp_path, text)] == [("metadata", "192.0.2.1", 7, "1.0.0")]


def test_build_metadata_survives_the_escapes_of_each_server(tmp_path: Path) -> None:
    double = CLOUDFRONT.replace("version=1.0.0", "version=1.0.0%252Bb1")
    once = NGINX.replace("version=1.0.0", "version=1.0.0%2Bb1")
    assert read(tmp_path, double)[0][4] == read(tmp_path, once)[0][4] == "1.0.0+b1"


@pytest.mark.parametrize(
    ("query", "seed", "version"),
    [
        ("seed=2048&version=1.0.0", None, "1.0.0"),
        ("seed=-1&version=1.0.0", None, "1.0.0"),
        ("seed=7.5&version=1.0.0", None, "1.0.0"),
        ("seed=1&version=1.0", 1, None),
        ("seed=1&version=<script>", 1, None),
        ("seed=1&version=1.0.0%3Cb%3E", 1, None),
        ("notseed=1&version=1.0.0", None, "1.0.0"),
        ("version=1.0.0&x=1&seed=2047", 2047, "1.0.0"),
        ("", None, None),
    ],
)
def test_parameters_are_taken_only_as_clients_write_them(
    tmp_path: Path, query: str, seed: int | None, version: str | None
) -> None:
    ((_, kind, _, got_seed, got_version),) = read(tmp_path, NGINX.replace(ASKS, f"/a?{query}"))
    assert (got_seed, got_version) == (seed, version)
    assert kind == "other"


@pytest.mark.parametrize(
    "request_line", ["", "-", r"\x16\x03\x01\x00", "PUT /x HTTP/1.1", r"GET /\"x"]
)
def test_what_is_no_request_of_a_client_is_no_damage(tmp_path: Path, request_line: str) -> None:
    text = NGINX.replace(f"GET {ASKS} HTTP/1.1", request_line)
    assert [row[1] for row in read(tmp_path, text)] == ["other"]


HOSTILE = [
    b"no log at all",
    b'192.0.2.1 - - [99/Apr/2031:09:00:01 +0000] "GET / HTTP/1.1" 200 1',
    b'192.0.2.1 - - [07/Apr/0031:09:00:01 +0000] "GET / HTTP/1.1" 200 1',
    b'192.0.2.1 - - [07/Apr/2031:09:00:01 +0000] "GET / HTTP/1.1" 99 1',
    b'192.0.2.1 - - [07/Apr/2031:09:00:01 +0000] "GET / HTTP/1.1',
    b'<b>x</b> - - [07/Apr/2031:09:00:01 +0000] "GET / HTTP/1.1" 200 1',
    b"nul \x00 inside",
    b"no \xff\xfe text",
    b"separator \x01 of nothing",
    b"x" * 200_000,
    b'"quote without end',
]


@pytest.mark.parametrize("bad", HOSTILE, ids=range(len(HOSTILE)))
def test_a_damaged_line_is_counted_and_the_others_are_read(tmp_path: Path, bad: bytes) -> None:
    log = tmp_path / "log"
    log.write_bytes(NGINX.encode() + b"\n" + bad + b"\n\r\n" + NGINX.encode())
    with opened(SMALL) as database:
        fill(database, log)
        kinds = [row[0] for row in database.rows("SELECT kind FROM visits")]
        assert kinds.count("metadata") == 2
        assert kinds.count("unreadable") + database.rejected == 1


def test_the_beginnings_of_damaged_lines_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"{NGINX}\n" + "".join(f"damaged {n} {'x' * 999}\n" for n in range(9)))
    with opened(SMALL) as database:
        fill(database, log)
        assert database.samples is not None
        assert len(database.samples) == 5
        assert max(map(len, database.samples)) == 200


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_file_that_was_cut_is_named(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    good, bad = tmp_path / "good", tmp_path / "bad"
    text = "".join(
        f"{NGINX.replace('seed=7', f'seed={n % 2048}')} {n * n}\n" for n in range(50_000)
    )
    good.write_bytes(pack(text.encode()))
    bad.write_bytes(pack(text.encode())[:-3000])
    with opened(SMALL) as database, pytest.raises(DataError, match=f"{bad} is cut or damaged"):
        fill(database, good, bad)


def test_a_name_that_looks_like_a_pattern_is_one_file(tmp_path: Path) -> None:
    odd = tmp_path / "a*['x].log"
    odd.write_text(NGINX)
    (tmp_path / "abc.log").write_text(NGINX)
    with opened(SMALL) as database:
        fill(database, odd)
        assert database.rows("SELECT count(*) FROM visits") == [(1,)]


def test_logs_of_all_kinds_are_read_together(tmp_path: Path) -> None:
    logs = []
    for name, (text, _) in FORMATS.items():
        logs.append(tmp_path / name)
        logs[-1].write_text(text)
    with opened(SMALL) as database:
        fill(database, *logs)
        assert database.rows("SELECT count(*) FROM visits WHERE kind = 'metadata'") == [(5,)]


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\nworld\n")
    with pytest.raises(DataError, match="no access log of a kind"):
        look(tmp_path / "x")


def test_a_format_that_is_said_is_believed(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    found = look(tmp_path / "x", LogFormat.COMBINED)
    assert found is not None
    assert found.layout.format is LogFormat.COMBINED


def test_an_empty_file_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("\n")
    assert look(tmp_path / "x") is None


def test_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).touch()
    assert list(expand([tmp_path])) == [tmp_path / "a", tmp_path / "b"]


def test_a_log_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no log"):
        list(expand([tmp_path / "missing"]))
