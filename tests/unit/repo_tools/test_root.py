from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from repo_tools import keys, root
from repo_tools.errors import AlreadyThere, KeyFileError, NotARepository, RootError
from repo_tools.keys import KeyType
from repo_tools.root import RootPlan, SignedRoot
from tests.fakes.repositories import NOW


def made(tmp_path: Path, plan: RootPlan = RootPlan()) -> SignedRoot:  # noqa: B008 - frozen
    return root.create(tmp_path / "keys", tmp_path / "root", plan, now=NOW)


def test_two_of_three_offline_keys_sign_a_root_by_default(tmp_path: Path) -> None:
    role = made(tmp_path).root.roles["root"]
    assert (len(role.keyids), role.threshold) == (3, 2)


def test_no_key_serves_two_roles(tmp_path: Path) -> None:
    roles = made(tmp_path).root.roles
    ids = [keyid for role in roles.values() for keyid in role.keyids]
    assert len(ids) == len(set(ids)) == 6


def test_first_root_verifies_against_itself(tmp_path: Path) -> None:
    metadata = Metadata[Root].from_bytes(made(tmp_path).data)
    metadata.signed.verify_delegate("root", metadata.signed_bytes, metadata.signatures)


def test_first_root_is_what_other_tools_expect(tmp_path: Path) -> None:
    signed = json.loads(made(tmp_path).data)["signed"]
    assert signed["spec_version"] == "1.0.0"
    assert signed["consistent_snapshot"] is True
    assert signed["version"] == 1


def test_root_lasts_a_year_in_whole_seconds(tmp_path: Path) -> None:
    signed = json.loads(made(tmp_path).data)["signed"]
    assert signed["expires"] == "2032-04-06T09:00:00Z"


def test_root_file_is_pretty_and_ends_with_a_newline(tmp_path: Path) -> None:
    data = made(tmp_path).data
    assert data.startswith(b'{\n  "signatures"')
    assert data.endswith(b"}\n")
    assert (tmp_path / "root/1.root.json").read_bytes() == data


def test_folder_of_keys_is_for_its_owner_only(tmp_path: Path) -> None:
    made(tmp_path)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    names = sorted(path.name for path in (tmp_path / "keys").iterdir())
    online = ["snapshot.pem", "targets.pem", "timestamp.pem"]
    assert names == ["root-1.pem", "root-2.pem", "root-3.pem", *online]


@pytest.mark.parametrize("existing", ["keys/root-1.pem", "root/1.root.json"])
def test_nothing_is_overwritten(tmp_path: Path, existing: str) -> None:
    path = tmp_path / existing
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(AlreadyThere):
        made(tmp_path)
    assert [path.read_text() for path in tmp_path.rglob("*.*")] == ["precious"]


@pytest.mark.parametrize(("number", "threshold"), [(3, 0), (3, 4), (0, 0), (1, -1)])
def test_impossible_thresholds_are_refused(number: int, threshold: int) -> None:
    with pytest.raises(RootError, match="threshold"):
        RootPlan(root_keys=number, threshold=threshold)


def test_root_without_a_lifetime_is_refused() -> None:
    with pytest.raises(RootError, match="expires"):
        RootPlan(lifetime=timedelta(0))


def renewed(tmp_path: Path, now: datetime = NOW + timedelta(days=300)) -> SignedRoot:
    return root.renew(tmp_path / "keys", tmp_path / "root", now=now)


def test_renewed_root_has_the_same_keys_and_a_later_expiry(tmp_path: Path) -> None:
    first = made(tmp_path).root
    second = renewed(tmp_path).root
    assert second.version == 2
    assert second.roles == first.roles
    assert second.expires == first.expires + timedelta(days=300)


def test_history_holds_every_root_in_order(tmp_path: Path) -> None:
    made(tmp_path)
    for days in range(10):
        renewed(tmp_path, NOW + timedelta(days=days))
    history = root.history(tmp_path / "root")
    assert [one.name for one in history] == [f"{n}.root.json" for n in range(1, 12)]


def test_renewal_works_with_a_threshold_of_keys(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "keys/root-2.pem").unlink()
    assert renewed(tmp_path).root.version == 2


def test_renewal_refuses_fewer_keys_and_writes_nothing(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "keys/root-1.pem").unlink()
    (tmp_path / "keys/root-2.pem").unlink()
    with pytest.raises(KeyFileError, match="1 more root key"):
        renewed(tmp_path)
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["1.root.json"]


def test_history_refuses_a_root_with_too_few_signatures(tmp_path: Path) -> None:
    made(tmp_path)
    renewed(tmp_path)
    path = tmp_path / "root/2.root.json"
    tree = json.loads(path.read_bytes())
    tree["signatures"] = tree["signatures"][:1]
    path.write_text(json.dumps(tree))
    with pytest.raises(RootError, match=r"2\.root\.json does not carry enough"):
        root.history(tmp_path / "root")


def test_history_refuses_a_root_that_the_one_before_did_not_sign(tmp_path: Path) -> None:
    made(tmp_path)
    strangers = [keys.generate(KeyType.ED25519) for _ in range(3)]
    online = {
        role: keys.generate(KeyType.ED25519).public_key
        for role in ("targets", "snapshot", "timestamp")
    }
    forged = root.draft(RootPlan(), [one.public_key for one in strangers], online, now=NOW)
    forged.version = 2
    metadata = Metadata(forged)
    for signer in strangers:
        metadata.sign(signer, append=True)
    (tmp_path / "root/2.root.json").write_bytes(metadata.to_bytes())
    with pytest.raises(RootError, match="enough signatures"):
        root.history(tmp_path / "root")


def test_history_refuses_a_gap(tmp_path: Path) -> None:
    made(tmp_path)
    renewed(tmp_path)
    renewed(tmp_path)
    (tmp_path / "root/2.root.json").unlink()
    with pytest.raises(RootError, match="sequential"):
        root.history(tmp_path / "root")


def test_history_refuses_a_root_under_another_number(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "root/1.root.json").rename(tmp_path / "root/4.root.json")
    with pytest.raises(RootError, match="says that it is version 1"):
        root.history(tmp_path / "root")


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b'{"signed": {}, "signatures": []}'])
def test_history_refuses_what_is_no_root(tmp_path: Path, junk: bytes) -> None:
    made(tmp_path)
    (tmp_path / "root/2.root.json").write_bytes(junk)
    with pytest.raises(RootError, match="not a usable root"):
        root.history(tmp_path / "root")


def test_history_refuses_other_metadata_than_a_root(tmp_path: Path) -> None:
    made(tmp_path)
    tree = {
        "signatures": [],
        "signed": {
            "_type": "snapshot",
            "version": 2,
            "spec_version": "1.0.0",
            "expires": "2032-01-01T00:00:00Z",
            "meta": {"targets.json": {"version": 1}},
        },
    }
    (tmp_path / "root/2.root.json").write_text(json.dumps(tree))
    with pytest.raises(RootError, match="not a root"):
        root.history(tmp_path / "root")


def test_folder_without_a_root_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    with pytest.raises(NotARepository):
        root.history(tmp_path / "root")


def test_expiry_does_not_depend_on_the_zone_of_now(tmp_path: Path) -> None:
    east = NOW.astimezone(tz=None)
    signed = root.create(tmp_path / "k", tmp_path / "r", RootPlan(), now=east)
    assert signed.root.expires == datetime(2032, 4, 6, 9, 0, tzinfo=UTC)
