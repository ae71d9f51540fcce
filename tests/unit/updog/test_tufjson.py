"""What is no metadata: every shape that must end in a `TrustError` and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.repository import FakeRepository, sign_document
from tests.fakes.visit import Visitor
from updog.errors import TrustError
from updog.tufjson import read_envelope, take_expires

NOT_ENVELOPES = {
    "empty": b"",
    "not json": b"{",
    "not utf-8": b"\xff\xfe{}",
    "an array": b"[]",
    "a number": b"1",
    "null": b"null",
    "no signed": b'{"signatures": []}',
    "no signatures": b'{"signed": {}}',
    "signed is an array": b'{"signed": [], "signatures": []}',
    "signatures is an object": b'{"signed": {}, "signatures": {}}',
    "a signature is a string": b'{"signed": {}, "signatures": ["x"]}',
    "a signature without an id": b'{"signed": {}, "signatures": [{"sig": ""}]}',
    "an id is a number": b'{"signed": {}, "signatures": [{"keyid": 1, "sig": ""}]}',
    "sig is a number": b'{"signed": {}, "signatures": [{"keyid": "a", "sig": 1}]}',
    "a float": b'{"signed": {"a": 1.5}, "signatures": []}',
    "infinity": b'{"signed": {"a": Infinity}, "signatures": []}',
    "not a number": b'{"signed": {"a": NaN}, "signatures": []}',
    "half a surrogate pair": b'{"signed": {"a": "\\ud800"}, "signatures": []}',
    "a number of 5000 digits": b'{"signed": {"a": ' + b"9" * 5000 + b'}, "signatures": []}',
    "100000 arrays deep": b'{"signed": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("data", NOT_ENVELOPES.values(), ids=NOT_ENVELOPES.keys())
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError, match=r"x\.json"):
        read_envelope(data, "x.json")


@pytest.mark.parametrize(
    "data",
    [
        b'{"signed": {"version": 1, "version": 2}, "signatures": []}',
        b'{"signed": {}, "signed": {}, "signatures": []}',
        b'{"signed": {"a": [{"b": {"c": 1, "c": 1}}]}, "signatures": []}',
    ],
)
def test_a_member_twice_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError, match="stands there twice"):
        read_envelope(data, "x.json")


def test_the_payload_is_the_canonical_form() -> None:
    data = b'{"signed": {"b": "\\"\\u00e9\\\\", "a": [1, true, null]}, "signatures": []}'
    assert read_envelope(data, "x").payload == '{"a":[1,true,null],"b":"\\"é\\\\"}'.encode()


class TestExpires:
    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2031-04-07T09:00:00Z", datetime(2031, 4, 7, 9, tzinfo=UTC)),
            ("2031-04-07T09:00:00.5Z", datetime(2031, 4, 7, 9, 0, 0, 500_000, tzinfo=UTC)),
            ("2031-04-07T09:00:00.468924999Z", datetime(2031, 4, 7, 9, 0, 0, 468_924, tzinfo=UTC)),
        ],
    )
    def test_the_instant_is_kept_and_the_copy_loses_the_fraction(
        self, text: str, instant: datetime
    ) -> None:
        signed = {"expires": text}
        assert take_expires(signed) == instant
        assert signed == {"expires": f"{text[:19]}Z"}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "2031-04-07",
            "2031-04-07T09:00:00",
            "2031-04-07T09:00:00+00:00",
            "2031-04-07T09:00:00.Z",
            "2031-04-07t09:00:00z",
            "2031-13-07T09:00:00Z",
            "2031-04-07T25:00:00Z",
            "2031-04-07T09:00:00Z\n",
            "٢٠٣١-04-07T09:00:00Z",
        ],
    )
    def test_other_forms_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match=r".+"):
            take_expires({"expires": text})


def bad(role: str, *path: str | int, value: Any) -> Any:
    return pytest.param(role, path, value, id=f"{role}-{'.'.join(map(str, path))}-{value!r:.20}")


TRICKY_NUMBERS: tuple[Any, ...] = (0, -1, True, "2", None, [])
NO_TIMES: tuple[Any, ...] = (None, 1, "soon", "2031-04-07T09:00:00")
NO_SPECIFICATIONS: tuple[Any, ...] = ("2.0.0", "x", None, 1)
NO_BOOLEANS: tuple[Any, ...] = ("yes", 1, {}, [])
SUCCINCT = {"keyids": [], "threshold": 1, "bit_length": 8, "name_prefix": "bin"}
MALFORMED = [
    *(
        bad(role, "version", value=value)
        for role in ("root", "timestamp", "snapshot", "targets")
        for value in TRICKY_NUMBERS
    ),
    *(
        bad(role, "expires", value=value)
        for role in ("root", "timestamp", "snapshot", "targets")
        for value in NO_TIMES
    ),
    *(
        bad(role, "spec_version", value=value)
        for role in ("root", "timestamp", "snapshot", "targets")
        for value in NO_SPECIFICATIONS
    ),
    *(bad("root", "consistent_snapshot", value=value) for value in NO_BOOLEANS),
    bad("root", "keys", value=[]),
    bad("root", "keys", value={"a": 1}),
    bad("root", "keys", value={"a": {"keytype": "ed25519", "scheme": "ed25519", "keyval": 1}}),
    bad("root", "roles", value={}),
    bad("root", "roles", "targets", value=None),
    bad("root", "roles", "targets", "keyids", value="abc"),
    bad("root", "roles", "targets", "keyids", value=[1]),
    bad("root", "roles", "targets", "threshold", value="1"),
    bad("root", "roles", "targets", "threshold", value=-1),
    bad("timestamp", "meta", value={}),
    bad("timestamp", "meta", value=[]),
    bad("timestamp", "meta", "snapshot.json", value=1),
    bad("timestamp", "meta", "snapshot.json", "version", value="1"),
    bad("timestamp", "meta", "snapshot.json", "version", value=0),
    bad("timestamp", "meta", "snapshot.json", "length", value=-1),
    bad("timestamp", "meta", "snapshot.json", "length", value=True),
    bad("timestamp", "meta", "snapshot.json", "hashes", value=[]),
    bad("timestamp", "meta", "snapshot.json", "hashes", value={}),
    bad("timestamp", "meta", "snapshot.json", "hashes", value={"": "00"}),
    bad("timestamp", "meta", "snapshot.json", "hashes", value={"sha256": 1}),
    bad("timestamp", "meta", "snapshot.json", "hashes", value={"sha256": "no hex"}),
    bad("snapshot", "meta", value={}),
    bad("snapshot", "meta", "targets.json", "version", value=json.loads("true")),
    bad("targets", "targets", value=[]),
    bad("targets", "targets", value={"a": {}}),
    bad("targets", "targets", value={"a": {"length": "1", "hashes": {"sha256": "00"}}}),
    bad("targets", "targets", value={"a": {"length": 1, "hashes": {}}}),
    bad("targets", "targets", value={"a": {"length": 1, "hashes": {"sha256": "../x"}}}),
    bad("targets", "delegations", value=[1]),
    bad("targets", "delegations", value={"keys": {}}),
    bad("targets", "delegations", value={"keys": {}, "roles": [1]}),
    bad("targets", "delegations", value={"keys": {}, "roles": {"a": 1}}),
    bad("targets", "delegations", value={"keys": {}, "succinct_roles": 1}),
    *(
        bad(
            "targets",
            "delegations",
            value={"keys": {}, "succinct_roles": {**SUCCINCT, "bit_length": bits}},
        )
        for bits in (0, 33, True, "8", None)
    ),
    *(
        bad("targets", "delegations", value={"keys": {}, "roles": [role]})
        for role in (
            {"name": "root", "keyids": [], "threshold": 1, "terminating": True, "paths": []},
            {"name": "", "keyids": [], "threshold": 1, "terminating": True, "paths": []},
            {"name": 1, "keyids": [], "threshold": 1, "terminating": True, "paths": []},
            {"name": "a", "keyids": [], "threshold": 0, "terminating": True, "paths": []},
            {"name": "a", "keyids": [], "threshold": 1, "terminating": "no", "paths": []},
            {"name": "a", "keyids": [], "threshold": 1, "terminating": True},
            {"name": "a", "keyids": [], "threshold": 1, "terminating": True, "paths": [1]},
        )
    ),
]


@pytest.mark.parametrize(("role", "path", "value"), MALFORMED)
def test_validly_signed_nonsense_is_refused(
    role: str, path: tuple[str | int, ...], value: Any, tmp_path: Path
) -> None:
    repo = FakeRepository()

    def edit(signed: dict[str, Any]) -> None:
        place: Any = signed
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    if role == "root":
        repo.publish_root()
    document = json.loads(repo.metadata(role))["signed"]
    edit(document)
    # Not through `resign`: a version that is no number could not be listed.
    file_name = repo._file_name(role)
    repo.files[f"metadata/{file_name}"] = sign_document(document, repo.signers[role])
    repo.hashes_in_metadata = False
    if role == "targets":
        repo.snapshot.meta["targets.json"] = repo._meta(1, b"")
        repo.publish_snapshot()
    if role in {"snapshot", "targets"}:
        repo.timestamp.snapshot_meta = repo._meta(repo.snapshot.version, b"")
        repo.publish_timestamp()
    with pytest.raises(TrustError, match=role):
        Visitor(repo, tmp_path).refreshed()


def test_a_fifth_role_in_root_is_tolerated(tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.publish_root()
    repo.resign("root", lambda s: s["roles"].update(mirrors={"keyids": [], "threshold": 1}))
    assert Visitor(repo, tmp_path).refreshed().versions()["root"] == 2


def test_unknown_members_everywhere_are_tolerated(tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.publish_root()

    def add(signed: dict[str, Any]) -> None:
        signed["x-top"] = {"deep": [1]}
        for key in signed.get("keys", {}).values():
            key["x-key"] = "y"
        for role in signed.get("roles", {}).values():
            role["x-role"] = "y"
        for meta in signed.get("meta", {}).values():
            meta["x-meta"] = "y"

    for role in ("root", "targets", "snapshot", "timestamp"):
        repo.resign(role, add)
    Visitor(repo, tmp_path).refreshed()
