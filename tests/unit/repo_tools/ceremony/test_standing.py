from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Root, Signature

from repo_tools import keys, root
from repo_tools.ceremony import rootdraft
from repo_tools.ceremony.changes import Kind, changes
from repo_tools.ceremony.rootdraft import RootDraft
from repo_tools.ceremony.standing import faults, remarks, standing
from repo_tools.errors import RootError
from repo_tools.keys import KeyType
from repo_tools.root import RootPlan
from tests.fakes.repositories import NOW
from updog.errors import TrustError


def signers(number: int) -> list[CryptoSigner]:
    return [keys.generate(KeyType.ED25519) for _ in range(number)]


def made(root_keys: list[CryptoSigner], threshold: int = 2) -> Root:
    online = {role: signers(1)[0].public_key for role in ("targets", "snapshot", "timestamp")}
    plan = RootPlan(root_keys=len(root_keys), threshold=threshold)
    return root.draft(plan, [one.public_key for one in root_keys], online, now=NOW)


def under_another_id(key: SSlibKey) -> SSlibKey:
    return SSlibKey("f" * 64, key.keytype, key.scheme, key.keyval)


def test_one_key_under_two_ids_counts_once() -> None:
    alice, bob = signers(2)
    doubled = made([alice, bob])
    twin = under_another_id(alice.public_key)
    doubled.keys[twin.keyid] = twin
    doubled.roles["root"].keyids.append(twin.keyid)
    draft = root.sign(RootDraft.of(doubled), alice)
    draft = draft.signed_by(Signature(twin.keyid, draft.signatures[0].signature))
    state = standing(draft, None)
    assert (state.own.count, state.missing) == (1, 1)


def test_a_signature_by_a_stranger_counts_for_nothing() -> None:
    draft = root.sign(RootDraft.of(made(signers(2))), signers(1)[0])
    assert standing(draft, None).own.count == 0


def test_a_next_root_needs_both_thresholds() -> None:
    old, new = signers(2), signers(2)
    last = made(old)
    following = rootdraft.next_after(last, NOW + timedelta(days=1))
    for one in old:
        following = rootdraft.remove_key(following, "root", one.public_key.keyid)
    following = rootdraft.add_keys(following, "root", [one.public_key for one in new])
    draft = RootDraft.of(following)
    missing = []
    for one in (*new, *old):
        draft = root.sign(draft, one)
        missing.append(standing(draft, last).missing)
    assert missing == [2, 2, 1, 0]


def test_what_was_read_keeps_its_signatures_when_it_is_written() -> None:
    people = signers(2)
    draft = root.sign(RootDraft.of(made(people)), people[0])
    again = rootdraft.parse(draft.data, "draft")
    assert again.data == draft.data
    assert standing(again, None).own.count == 1


def test_a_draft_with_fractions_in_its_expiry_keeps_its_signatures() -> None:
    people = signers(2)
    first = made(people)
    body = {**first.to_dict(), "expires": "2032-04-06T09:00:00.468924Z"}
    draft = root.sign(RootDraft(first, body), people[0])
    again = rootdraft.parse(draft.data, "draft")
    assert standing(again, None).own.count == 1
    assert root.sign(again, people[1]).signatures[0] == draft.signatures[0]


@pytest.mark.parametrize("junk", [b"", b"[]", b'{"signed": {}, "signatures": []}'])
def test_junk_is_no_draft(junk: bytes) -> None:
    with pytest.raises(TrustError):
        rootdraft.parse(junk, "draft")


def test_edits_leave_the_root_they_start_from_alone() -> None:
    first = made(signers(2))
    before = first.to_dict()
    rootdraft.set_threshold(first, "root", 1)
    rootdraft.add_keys(first, "root", [signers(1)[0].public_key])
    rootdraft.remove_key(first, "root", first.roles["root"].keyids[0])
    assert first.to_dict() == before


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_below_one_is_refused(threshold: int) -> None:
    with pytest.raises(RootError, match="anybody"):
        rootdraft.set_threshold(made(signers(2)), "root", threshold)


def test_a_key_is_not_added_twice_even_under_another_id() -> None:
    people = signers(2)
    with pytest.raises(RootError, match="already"):
        rootdraft.add_keys(made(people), "root", [under_another_id(people[0].public_key)])


@pytest.mark.parametrize("beginning", ["", "abc", "zzzz"])
def test_a_key_is_not_removed_by_a_guess(beginning: str) -> None:
    with pytest.raises(RootError, match="not the beginning"):
        rootdraft.remove_key(made(signers(2)), "root", beginning)


def test_another_key_under_an_old_id_is_a_change_of_keys() -> None:
    people = signers(2)
    last = made(people)
    following = rootdraft.next_after(last, NOW)
    stolen = people[0].public_key.keyid
    other = signers(1)[0].public_key
    following.keys[stolen] = SSlibKey(stolen, other.keytype, other.scheme, other.keyval)
    kinds = [change.kind for change in changes(last, following) if change.key == stolen]
    assert kinds == [Kind.KEY_REMOVED, Kind.KEY_ADDED]


def test_the_same_key_under_a_new_id_is_said_to_be_the_same() -> None:
    people = signers(2)
    last = made(people)
    twin = under_another_id(people[0].public_key)
    following = rootdraft.remove_key(last, "root", people[0].public_key.keyid)
    following = rootdraft.add_keys(following, "root", [twin])
    assert [change.kind for change in changes(last, following)] == [Kind.KEY_RENAMED]


def test_members_that_no_command_changes_are_shown() -> None:
    last = made(signers(2))
    following = rootdraft.next_after(last, last.expires)
    following.consistent_snapshot = False
    following.unrecognized_fields["x-owner"] = "mallory"
    texts = [change.text for change in changes(last, following) if change.kind is Kind.OTHER]
    assert texts == [
        "consistent_snapshot becomes False instead of True.",
        "x-owner becomes 'mallory' instead of None.",
    ]


def test_a_root_without_a_change_has_none() -> None:
    last = made(signers(2))
    assert changes(last, last) == ()


def test_a_good_root_has_neither_faults_nor_remarks() -> None:
    first = made(signers(3))
    assert faults(first, None, NOW) == ()
    assert remarks(first, NOW) == ()


@pytest.mark.parametrize(
    ("number", "threshold", "said"),
    [(1, 1, "One root key alone"), (2, 2, "Every root key must sign")],
)
def test_thresholds_that_invite_trouble_are_remarked(
    number: int, threshold: int, said: str
) -> None:
    assert any(said in one for one in remarks(made(signers(number), threshold), NOW))


def test_an_online_root_key_and_a_far_expiry_are_remarked() -> None:
    people = signers(3)
    first = rootdraft.add_keys(made(people), "targets", [people[0].public_key])
    far = rootdraft.expire(first, NOW + timedelta(days=2000))
    said = " ".join(remarks(far, NOW))
    assert "A root key is a targets key too" in said
    assert "more than two years" in said


def test_an_id_that_is_no_hash_is_remarked() -> None:
    person = signers(1)[0].public_key
    first = rootdraft.add_keys(made(signers(3)), "root", [under_another_id(person)])
    assert any("is not the hash of its key" in one for one in remarks(first, NOW))


def test_a_draft_is_a_value() -> None:
    draft = RootDraft.of(made(signers(2)))
    assert replace(draft) == draft
