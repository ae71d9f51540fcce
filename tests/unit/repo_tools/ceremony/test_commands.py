from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tuf.api.metadata import Metadata, Root

from repo_tools import root
from repo_tools.publish import publish
from repo_tools.repository import Repository
from tests.fakes.ceremony import PEOPLE, Ceremony
from tests.fakes.repositories import add_version, allow_step
from updog.clock import SystemClock
from updog.trust import RootStep, TrustedMetadata

SCHEMAS = Path(__file__).resolve().parents[4] / "docs" / "schemas"


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    return Ceremony(tmp_path)


def fails(ceremony: Ceremony, capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """What a command says that must not succeed."""
    capsys.readouterr()
    assert ceremony.run(*words) != 0
    return capsys.readouterr().err


def tree(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


def test_two_of_three_people_make_a_first_root(ceremony: Ceremony) -> None:
    ceremony.begin()
    (first,) = root.history(ceremony.repository / "root")
    rule = first.root.roles["root"]
    assert (len(rule.keyids), rule.threshold, first.root.version) == (3, 2, 1)


def test_accepting_is_rehearsed_with_all_its_checks_and_writes_nothing(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    words = ("root", "accept", ceremony.repository, ceremony.draft, "--dry-run")
    ceremony.sign("alice")
    assert ceremony.run(*words) == 65
    ceremony.sign("carol")
    assert ceremony.run(*words) == 0
    assert "Would write" in capsys.readouterr().err
    assert not (ceremony.repository / "root").exists()


def test_a_draft_is_an_ordinary_root_json(ceremony: Ceremony) -> None:
    ceremony.first_draft()
    metadata = Metadata[Root].from_file(str(ceremony.draft))
    assert metadata.signatures == {}
    assert metadata.signed.consistent_snapshot is True


def test_our_client_follows_a_rotation_of_a_root_key_and_of_an_online_key(
    ceremony: Ceremony,
) -> None:
    ceremony.begin()
    shipped = (ceremony.repository / "root/1.root.json").read_bytes()
    ceremony.rotate()
    ceremony.root("remove-key", "root", ceremony.public("bob"))
    ceremony.root("add-key", "root", ceremony.person("dave"))
    ceremony.replace_online("timestamp")
    ceremony.sign("alice", "carol")
    ceremony.accept()
    client = TrustedMetadata(shipped, SystemClock().now())
    second = (ceremony.repository / "root/2.root.json").read_bytes()
    assert client.add_root(second) is RootStep.ROTATED
    client.end_roots()


def test_a_whole_change_of_root_keys_takes_old_and_new_signatures(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.begin()
    ceremony.rotate()
    for name in PEOPLE:
        ceremony.root("remove-key", "root", ceremony.public(name))
    ceremony.root("add-key", "root", *(ceremony.person(name) for name in ("dave", "erin", "fred")))
    ceremony.sign("dave", "erin")
    said = fails(ceremony, capsys, "root", "accept", ceremony.repository, ceremony.draft)
    assert "signed by 0 of the 2 keys that root version 1 asks for" in said
    ceremony.sign("alice", "bob")
    ceremony.accept()
    assert len(root.history(ceremony.repository / "root")) == 2


def test_an_under_signed_draft_is_not_accepted(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.sign("bob")
    said = fails(ceremony, capsys, "root", "accept", ceremony.repository, ceremony.draft)
    assert "1 of the 2" in said
    assert not (ceremony.repository / "root").exists()


def test_a_draft_that_is_put_among_the_roots_by_hand_is_not_published(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.begin()
    repository = Repository.open(ceremony.repository)
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    publish(repository, now=SystemClock().now())
    before = sorted(repository.published.rglob("*"))
    ceremony.rotate()
    ceremony.sign("alice")
    ceremony.draft.rename(repository.roots / "2.root.json")
    assert "enough signatures" in fails(ceremony, capsys, "publish", repository.folder)
    assert "enough signatures" in fails(ceremony, capsys, "refresh", repository.folder)
    assert sorted(repository.published.rglob("*")) == before


def test_one_key_does_not_count_twice(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.sign("alice", "alice")
    assert len(tree(ceremony.draft)["signatures"]) == 1
    assert "1 of the 2" in fails(
        ceremony, capsys, "root", "accept", ceremony.repository, ceremony.draft
    )


def test_a_version_cannot_be_skipped(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.begin()
    ceremony.rotate()
    body = tree(ceremony.draft)
    body["signed"]["version"] = 3
    ceremony.draft.write_text(json.dumps(body))
    words = ("--key", ceremony.key("alice"), "--yes", "--last", ceremony.repository)
    assert "not 2" in fails(ceremony, capsys, "root", "sign", ceremony.draft, *words)
    said = fails(ceremony, capsys, "root", "accept", ceremony.repository, ceremony.draft)
    assert "the next of this repository is 2" in said


def test_an_edit_lets_go_of_signatures(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.sign("alice")
    ceremony.root("expire", "30 days")
    assert "1 signature(s) were over the old draft" in capsys.readouterr().err
    assert tree(ceremony.draft)["signatures"] == []


def test_expire_counts_from_now(ceremony: Ceremony) -> None:
    ceremony.root("init", "--expires", "2040-01-02T03:04:05Z")
    assert tree(ceremony.draft)["signed"]["expires"] == "2040-01-02T03:04:05Z"
    ceremony.root("expire", "30 days")
    expires = Metadata[Root].from_file(str(ceremony.draft)).signed.expires
    assert timedelta(days=29) < expires - SystemClock().now() <= timedelta(days=30)


def test_the_signer_is_shown_what_changes_and_the_last_roots_digest(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.begin()
    ceremony.rotate()
    ceremony.root("threshold", "root", "1")
    ceremony.root("remove-key", "root", ceremony.public("bob"))
    capsys.readouterr()
    ceremony.sign("alice")
    said = capsys.readouterr().err
    assert "The version goes from 1 to 2." in said
    assert "1 root key(s) must sign instead of 2." in said
    assert "is TAKEN AWAY" in said
    assert "a thief needs to steal only that one" in said
    assert "SHA-256" in said
    assert "Still to sign: 1 of the root keys of version 1" in said


def test_without_a_terminal_and_without_yes_nothing_is_signed(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("alice"))
    assert "--yes" in fails(ceremony, capsys, *words)
    assert tree(ceremony.draft)["signatures"] == []


@pytest.mark.parametrize(("answer", "signatures"), [("yes", 1), ("y", 0), ("no", 0), ("", 0)])
def test_at_a_terminal_only_yes_signs(ceremony: Ceremony, answer: str, signatures: int) -> None:
    ceremony.first_draft()
    ours, theirs = pty.openpty()
    words = ["root", "sign", str(ceremony.draft), "--key", str(ceremony.key("alice"))]
    command = [sys.executable, "-m", "repo_tools.cli", *words]
    with subprocess.Popen(command, stdin=theirs, stderr=subprocess.PIPE) as process:
        os.write(ours, f"{answer}\n".encode())
        _, said = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert b"Sign version 1 of the root" in said
    assert len(tree(ceremony.draft)["signatures"]) == signatures


def test_a_stranger_cannot_sign(ceremony: Ceremony, capsys: pytest.CaptureFixture[str]) -> None:
    ceremony.first_draft()
    ceremony.person("mallory")
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("mallory"), "--yes")
    assert "not one that the current root allows" in fails(ceremony, capsys, *words)


def test_a_later_draft_needs_the_root_before_it(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.begin()
    ceremony.rotate()
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("alice"), "--yes")
    assert "needs the root before it" in fails(ceremony, capsys, *words)
    beside = ceremony.home / "1.root.json"
    beside.write_bytes((ceremony.repository / "root/1.root.json").read_bytes())
    ceremony.do(*words)


def test_a_threshold_beyond_the_keys_is_not_signed(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.root("threshold", "root", "4")
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("alice"), "--yes")
    assert "4 root key(s) must sign, but the role has 3" in fails(ceremony, capsys, *words)


def test_an_expired_root_is_not_accepted(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.root("expire", "2020-01-01T00:00:00Z")
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("alice"), "--yes")
    assert "It expired at 2020-01-01" in fails(ceremony, capsys, *words)
    accept = ("root", "accept", ceremony.repository, ceremony.draft)
    assert "It expired at 2020-01-01" in fails(ceremony, capsys, *accept)


def test_signatures_of_copies_are_merged(ceremony: Ceremony) -> None:
    ceremony.first_draft()
    copy = ceremony.home / "copy.json"
    copy.write_bytes(ceremony.draft.read_bytes())
    ceremony.sign("alice")
    ceremony.do("root", "sign", copy, "--key", ceremony.key("bob"), "--yes")
    ceremony.root("merge", copy)
    ceremony.accept()


def test_signatures_over_something_else_are_not_merged(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    copy = ceremony.home / "copy.json"
    copy.write_bytes(ceremony.draft.read_bytes())
    ceremony.root("expire", "30 days")
    assert "does not say the same" in fails(ceremony, capsys, "root", "merge", ceremony.draft, copy)


def test_a_draft_is_never_overwritten_by_a_new_one(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    assert "not overwritten" in fails(ceremony, capsys, "root", "init", ceremony.draft)


def test_show_lists_keys_and_signatures(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.first_draft()
    ceremony.sign("alice")
    capsys.readouterr()
    ceremony.root("show")
    shown = capsys.readouterr().out
    assert "root        2 of 3 must sign" in shown
    assert "signatures  1 of the 2 needed" in shown


@pytest.mark.parametrize("action", ["show", "diff"])
def test_json_keeps_to_its_schema(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    schema = tree(SCHEMAS / f"root-{action}.json")
    ceremony.first_draft()
    capsys.readouterr()
    ceremony.root(action, "--json")
    jsonschema.validate(json.loads(capsys.readouterr().out), schema)
    ceremony.sign("alice", "bob")
    ceremony.accept()
    ceremony.rotate()
    ceremony.replace_online("snapshot")
    ceremony.sign("carol")
    capsys.readouterr()
    ceremony.root(action, "--json", *ceremony.last())
    jsonschema.validate(json.loads(capsys.readouterr().out), schema)


def test_a_key_is_for_its_owner_only_and_prints_the_id_that_clients_compute(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    ceremony.person("alice")
    keyid = capsys.readouterr().out.strip()
    assert stat.S_IMODE(ceremony.key("alice").stat().st_mode) == 0o600
    ceremony.root("init")
    ceremony.root("add-key", "root", ceremony.public("alice"))
    assert list(tree(ceremony.draft)["signed"]["keys"]) == [keyid]


def test_an_encrypted_key_signs_with_the_passphrase_of_the_environment(
    ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UPDOG_PASSPHRASE_ALICE", "open sesame")
    ceremony.do("key", "new", ceremony.key("alice"), "--encrypt")
    assert b"ENCRYPTED PRIVATE KEY" in ceremony.key("alice").read_bytes()
    ceremony.do("key", "public", ceremony.key("alice"))
    ceremony.public("alice").write_text(capsys.readouterr().out.partition("\n")[2])
    ceremony.root("init")
    for role in ("root", "targets", "snapshot", "timestamp"):
        ceremony.root("add-key", role, ceremony.public("alice"))
    monkeypatch.delenv("UPDOG_PASSPHRASE_ALICE")
    words = ("root", "sign", ceremony.draft, "--key", ceremony.key("alice"), "--yes")
    assert "Set UPDOG_PASSPHRASE_ALICE or UPDOG_PASSPHRASE" in fails(ceremony, capsys, *words)
    monkeypatch.setenv("UPDOG_PASSPHRASE", "close sesame")
    assert "cannot be read" in fails(ceremony, capsys, *words)
    monkeypatch.setenv("UPDOG_PASSPHRASE", "open sesame")
    ceremony.do(*words)
    ceremony.accept()


def test_a_renewed_root_uses_the_sources_of_keys_toml(
    ceremony: Ceremony, monkeypatch: pytest.MonkeyPatch
) -> None:
    ceremony.begin()
    monkeypatch.setenv("CAROL", ceremony.key("carol").read_text())
    listed = [str(ceremony.key("alice")), "envvar:CAROL"]
    (ceremony.repository / "keys.toml").write_text(f"root = {json.dumps(listed)}\n")
    ceremony.do("renew-root", ceremony.repository)
    assert len(root.history(ceremony.repository / "root")) == 2
