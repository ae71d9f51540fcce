"""``updog-repo fleet`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchmarks import make_access_log
from repo_tools.cli import main
from tests.fakes.accesslogs import NEW, OLD, Story, line
from tests.fakes.repositories import EDITION, add_version, new_repository
from tests.fakes.s3server import s3_server
from updog.version import Version
from waves.policy import to_schedule
from waves.shipped import read_shipped

SCHEMA = Path(__file__).resolve().parents[4] / "docs/schemas/fleet.json"
LIGHT = ("--threads", "1", "--memory", "500MB")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    make_access_log.write(path, 20_000, 1000, "combined")
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.json"
    path.write_bytes(make_access_log.manifest())
    return path


def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.log"
    told = Story().checks(0, 5).fetches(1, 5).checks(2, 5, NEW).checks(2, 6, ip="192.0.2.9")
    path.write_text("\n".join(told.lines))
    return path


def checked(text: str) -> Any:
    described = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(described)
    checker = Draft202012Validator(described, format_checker=Draft202012Validator.FORMAT_CHECKER)
    tree = json.loads(text)
    assert [error.message for error in checker.iter_errors(tree)] == []
    return tree


def test_json_is_as_its_schema_says(
    log: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["fleet", str(log), "--manifest", str(manifest), "-v", NEW, "--json", *LIGHT]
    assert main([*asked, "--lost-after", "6 hours"]) == 0
    tree = checked(capsys.readouterr().out)
    assert tree["hosts"] == 1000
    assert sum(tree["states"].values()) == 1000
    assert tree["lines"]["total"] == 20_000
    assert tree["lines"]["unreadable"] == 2
    assert tree["lost"]["hosts"] >= 1
    assert [wave["wave"] for wave in tree["waves"]] == list(range(7))


def test_the_states_are_those_of_the_schema() -> None:
    from repo_tools.fleet.figures import LOST, State  # noqa: PLC0415 - beside what it is about

    described = json.loads(SCHEMA.read_text())["properties"]
    assert described["states"]["propertyNames"]["enum"] == [*State]
    listed = described["lost"]["properties"]["listed"]["items"]["properties"]
    assert listed["state"]["enum"] == [*LOST]


def test_text_tells_versions_states_and_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fleet", str(story(tmp_path)), *LIGHT]) == 0
    told = capsys.readouterr()
    assert "this is about 1.1.0" in told.err
    assert f"Release {NEW}, 2 hosts" in told.out
    assert "0 hosts fetched an image and did not come back" in told.out


def test_a_terminal_is_shown_no_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = story(tmp_path)
    path.write_text(f"{path.read_text()}\n\x1b[2Jgone\x07\n")
    assert main(["fleet", str(path), *LIGHT]) == 0
    assert r"\x1b[2Jgone\x07" in capsys.readouterr().out


def test_the_plan_may_be_the_draft_of_a_repository(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = new_repository(tmp_path / "repository")
    add_version(repository, NEW)
    schedule = to_schedule(read_shipped("default"), make_access_log.BEGIN)
    repository.set_waves(EDITION, Version.parse(NEW), schedule)
    asked = ["fleet", str(story(tmp_path)), "--repo", str(repository.folder), "--json", *LIGHT]
    assert main([*asked, "-v", NEW]) == 0
    assert checked(capsys.readouterr().out)["planned"] is True


def test_a_release_that_the_plan_does_not_have_is_refused(tmp_path: Path, manifest: Path) -> None:
    asked = ["fleet", str(story(tmp_path)), "--manifest", str(manifest), *LIGHT]
    assert main([*asked, "-v", "7.7.7"]) == 64


def test_logs_in_a_bucket_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with s3_server(tmp_path) as server:
        bucket = server.bucket()
        first, second = Story().checks(0, 5, OLD), Story().checks(1, 6, ip="192.0.2.9")
        for name, told in (("logs/2031/a", first), ("logs/2031/b", second), ("other", first)):
            server.client.put_object(Bucket=bucket, Key=name, Body="\n".join(told.lines).encode())
        asked = ["--endpoint", server.endpoint, "--json", *LIGHT]
        assert main(["fleet", f"s3://{bucket}/logs/", *asked]) == 0
        assert checked(capsys.readouterr().out)["lines"]["total"] == 2
        assert main(["fleet", f"s3://{bucket}/missing/", *asked]) == 64
        assert main(["fleet", "s3://", *asked]) == 64


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 64),
        (["/missing.log"], 64),
        (["{log}", "--memory", "much"], 78),
        (["{log}", "--lost-after", "soon"], 65),
        (["{log}", "--temp-dir", "/missing"], 74),
        (["{log}", "--format", "s3"], 65),
        (["--export-sql", "{folder}/sql"], 64),
    ],
)
def test_wrong_words_have_their_exit_codes(tmp_path: Path, words: list[str], code: int) -> None:
    log = story(tmp_path)
    assert main(["fleet", *(each.format(log=log, folder=tmp_path) for each in words)]) == code


def test_sql_for_athena_is_written_without_logs(
    tmp_path: Path, manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sql"
    asked = ["fleet", "--export-sql", str(out), "--manifest", str(manifest), "-v", NEW]
    assert main(asked) == 0
    assert capsys.readouterr().out.split() == [str(each) for each in sorted(out.iterdir())]


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def test_what_a_log_brings_stays_text_in_the_page(tmp_path: Path) -> None:
    path, html = story(tmp_path), tmp_path / "page.html"
    hostile = [
        HOSTILE,
        line(3, f"GET /?seed=1&version={HOSTILE} HTTP/1.1"),
        line(3, "GET /a/b/timestamp.json?seed=1&version=1.0.0-<b> HTTP/1.1"),
        line(3, "GET /<b>/x/timestamp.json?seed=1&version=1.0.0 HTTP/1.1"),
    ]
    path.write_text("\n".join([path.read_text(), *hostile]))
    assert main(["fleet", str(path), "--html", str(html), *LIGHT]) == 0
    page = html.read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>/x" not in page


def test_the_page_asks_for_nothing_and_forbids_the_rest(log: Path, manifest: Path) -> None:
    html = log.with_suffix(".html")
    asked = ["fleet", str(log), "--manifest", str(manifest), "-v", NEW, *LIGHT]
    assert main([*asked, "--html", str(html)]) == 0
    page = html.read_text()
    assert "default-src 'none'; style-src 'unsafe-inline'" in page
    for word in ("http:", "https:", "src=", "url(", "@import", "<link", "javascript:"):
        assert word not in page
    assert page.count('<svg class="chart"') == 4
    assert "prefers-color-scheme: dark" in page
