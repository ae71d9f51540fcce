"""Tricks with thresholds, each against every role: only different public keys count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from securesystemslib.signer import CryptoSigner, SSlibKey

from tests.fakes.repository import FakeRepository, sign_document
from tests.fakes.visit import Visitor
from updog.errors import TrustError
from updog.tufkeys import key_material

ROLES = ("root", "timestamp", "snapshot", "targets", "delegated")
Edit = Callable[[dict[str, Any], dict[str, Any]], None]


class Case:
    """A role under test in a repository with one delegated role, two keys, threshold two."""

    def __init__(self, role: str, directory: Path, key_type: str = "ed25519") -> None:
        self.role = role
        self.repo = FakeRepository(key_type=key_type)
        self.repo.delegate("targets", "delegated", ["*"])
        self.repo.add_target("file", b"x", role="delegated")
        self.repo.publish()
        self.visitor = Visitor(self.repo, directory)

    def ask_for(self, threshold: object, edit: Edit, signers: list[CryptoSigner]) -> None:
        """Change role and keys where they are defined, and sign the role with `signers`.

        A root is not only checked by its own rules: root 2 changes them, root 3 is tested.
        """
        self.repo.signers[self.role], before = signers, self.repo.signers[self.role]

        def define(signed: dict[str, Any]) -> None:
            scope = signed if self.role != "delegated" else signed["delegations"]
            roles = scope["roles"]
            rule = roles[0] if self.role == "delegated" else roles[self.role]
            rule["threshold"] = threshold
            edit(rule, scope["keys"])

        if self.role == "delegated":
            self.repo.resign("targets", define)
            self.repo.publish_targets("delegated")
        else:
            self.repo.publish_root()
            both = [*before, *signers] if self.role == "root" else self.repo.signers["root"]
            by_id = {signer.public_key.keyid: signer for signer in both}
            self.repo.resign("root", define, signers=list(by_id.values()))
        self._republish(define)

    def _republish(self, define: Callable[[dict[str, Any]], None]) -> None:
        if self.role == "root":
            self.repo.publish_root()
            self.repo.resign("root", define)
            return
        if self.role == "delegated":
            above = self.repo.targets.version
            self.repo.publish_snapshot()
            self.repo.publish_timestamp()
            assert self.repo.targets.version == above
            return
        self.repo.publish()

    def check(self) -> None:
        session = self.visitor.refreshed()
        if self.role == "delegated":
            assert session.target("file").length == 1

    def refused(self, why: str) -> None:
        with pytest.raises(TrustError, match=why):
            self.check()


def adding(*signers: CryptoSigner, under: str = "") -> Edit:
    """Let these keys sign as well, all under ids of their own or under ids made from `under`."""

    def edit(rule: dict[str, Any], keys: dict[str, Any]) -> None:
        for number, signer in enumerate(signers):
            keyid = f"{under}{number}" if under else signer.public_key.keyid
            keys[keyid] = signer.public_key.to_dict()
            rule["keyids"].append(keyid)

    return edit


def renamed(signer: CryptoSigner, keyid: str) -> CryptoSigner:
    """The same private key, signing under another id."""
    key = signer.public_key
    assert isinstance(key, SSlibKey)
    public = SSlibKey(keyid, key.keytype, key.scheme, dict(key.keyval))
    return CryptoSigner(signer._private_key, public)


@pytest.fixture(params=ROLES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(request.param, tmp_path)


def test_two_keys_meet_a_threshold_of_two(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    second = case.repo.new_key()
    case.ask_for(2, adding(second), [first, second])
    case.check()


def test_one_of_two_is_not_enough(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    case.ask_for(2, adding(case.repo.new_key()), [first])
    case.refused("signed by 1 of the 2")


def test_a_stranger_does_not_count(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    case.ask_for(2, adding(case.repo.new_key()), [first, case.repo.new_key()])
    case.refused("signed by 1 of the 2")


def test_one_key_under_two_ids_counts_once(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    case.ask_for(2, adding(first, under="alias"), [first, renamed(first, "alias0")])
    case.refused("signed by 1 of the 2")


def test_ids_need_not_be_hashes_of_keys(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    second = case.repo.new_key()
    case.ask_for(2, adding(second, under="name"), [first, renamed(second, "name0")])
    case.check()


def test_a_threshold_of_zero_is_refused(case: Case) -> None:
    case.ask_for(0, adding(), list(case.repo.signers[case.role]))
    case.refused("threshold is 0")


def test_a_threshold_of_true_is_refused(case: Case) -> None:
    case.ask_for(json.loads("true"), adding(), list(case.repo.signers[case.role]))
    case.refused("threshold is True")


def test_an_id_listed_twice_is_refused(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    case.ask_for(2, adding(first), [first])
    case.refused("(?i)nonunique")


def test_an_id_without_a_key_does_not_count(case: Case) -> None:
    [first] = case.repo.signers[case.role]
    case.ask_for(2, lambda rule, _: rule["keyids"].append("nobody"), [first])
    case.refused("signed by 1 of the 2")


def test_a_key_of_an_unknown_kind_is_no_obstacle(case: Case) -> None:
    [first] = case.repo.signers[case.role]

    def edit(rule: dict[str, Any], keys: dict[str, Any]) -> None:
        keys["odd"] = {"keytype": "rot13", "scheme": "rot13", "keyval": {"public": "abc"}}
        rule["keyids"].append("odd")

    case.ask_for(1, edit, [first])
    case.check()


def test_a_key_of_an_unknown_kind_does_not_count(case: Case) -> None:
    [first] = case.repo.signers[case.role]

    def edit(rule: dict[str, Any], keys: dict[str, Any]) -> None:
        keys["odd"] = {"keytype": "rot13", "scheme": "rot13", "keyval": {"public": "abc"}}
        rule["keyids"].append("odd")

    case.ask_for(2, edit, [first, renamed(first, "odd")])
    case.refused("signed by 1 of the 2")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_two_signatures_under_one_id_are_refused(role: str, tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.hashes_in_metadata = False
    repo.publish()
    path = next(path for path in reversed(repo.files) if path.endswith(f"{role}.json"))
    document = json.loads(repo.files[path])
    document["signatures"] *= 2
    repo.files[path] = json.dumps(document).encode()
    with pytest.raises(TrustError, match="two signatures under one key id"):
        Visitor(repo, tmp_path).refreshed()


def test_an_invalid_signature_beside_enough_valid_ones_is_no_obstacle(tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.add_signers("timestamp", 1, threshold=1)
    repo.publish_root(bump=False)
    repo.publish()
    document = json.loads(repo.metadata("timestamp"))
    for broken in ("", "00", "zz", "é"):
        document["signatures"][0]["sig"] = broken
        repo.files["metadata/timestamp.json"] = json.dumps(document).encode()
        Visitor(repo, tmp_path / (broken or "empty")).refreshed()


@pytest.mark.parametrize("key_type", ["rsa", "ecdsa", "ed25519"])
def test_each_kind_of_key_works_for_each_role(key_type: str, tmp_path: Path) -> None:
    repo = FakeRepository(key_type=key_type)
    repo.delegate("targets", "delegated", ["*"])
    repo.add_target("file", b"content", role="delegated")
    repo.publish()
    assert Visitor(repo, tmp_path).refreshed().read("file") == b"content"


def test_p384_works(tmp_path: Path) -> None:
    repo = FakeRepository()
    private = generate_ec_key(SECP384R1())
    repo.rotate("timestamp")
    [old] = repo.root.roles["timestamp"].keyids
    repo.root.revoke_key(old, "timestamp")
    repo.signers["timestamp"] = [CryptoSigner(private)]
    repo.root.add_key(repo.signers["timestamp"][0].public_key, "timestamp")
    repo.publish_root()
    repo.publish_timestamp()
    assert Visitor(repo, tmp_path).refreshed().versions()["timestamp"] == 2


def test_the_old_name_of_the_ecdsa_key_type_works(tmp_path: Path) -> None:
    repo = FakeRepository(key_type="ecdsa")

    def rename(signed: dict[str, Any]) -> None:
        for key in signed["keys"].values():
            key["keytype"] = key["scheme"]

    repo.resign("root", rename)
    Visitor(repo, tmp_path).refreshed()


def test_a_pem_written_in_another_way_is_the_same_key() -> None:
    key = CryptoSigner.generate_ecdsa().public_key
    pem = key.keyval["public"]
    spellings = [pem, pem.rstrip(), pem.replace("\n", "\r\n"), f"# a remark\n{pem}"]
    keys = [SSlibKey("x", "ecdsa", key.scheme, {"public": spelling}) for spelling in spellings]
    assert len({key_material(key) for key in keys}) == 1


def test_ed25519_in_capital_letters_is_the_same_key() -> None:
    key = CryptoSigner.generate_ed25519().public_key
    twin = SSlibKey("x", key.keytype, key.scheme, {"public": key.keyval["public"].upper()})
    assert key_material(key) == key_material(twin)


def test_one_rsa_key_under_two_schemes_is_the_same_key() -> None:
    key = CryptoSigner.generate_rsa().public_key
    twin = SSlibKey("x", "rsa", "rsassa-pss-sha512", dict(key.keyval))
    assert key_material(key) == key_material(twin)


def test_a_short_rsa_key_is_no_key() -> None:
    private = generate_private_key(65537, 1024)  # noqa: S505 - too short is the point
    key = SSlibKey.from_crypto(private.public_key())
    assert key_material(key) is None


@pytest.mark.parametrize("public", ["", "no pem", "-----BEGIN PUBLIC KEY-----\n", "zz", "é"])
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_nonsense_is_no_key(kind: str, public: str) -> None:
    key = SSlibKey("x", kind, kind, {"public": public})
    assert key_material(key) in (None, b"ed25519")


def test_the_payload_is_what_was_received_not_what_we_would_write(tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.resign("targets", lambda s: s.update({"x-unknown": {"a": [1, None, "é"]}}))
    Visitor(repo, tmp_path).refreshed()


def test_a_changed_unknown_member_breaks_the_signature(tmp_path: Path) -> None:
    repo = FakeRepository()
    repo.hashes_in_metadata = False
    repo.publish()
    document = json.loads(repo.metadata("targets"))
    document["signed"]["x-unknown"] = 1
    repo.files["metadata/2.targets.json"] = json.dumps(document).encode()
    with pytest.raises(TrustError, match="signed by 0 of the 1"):
        Visitor(repo, tmp_path).refreshed()


def test_signatures_over_a_document_made_by_hand_verify(tmp_path: Path) -> None:
    repo = FakeRepository()
    signed = json.loads(repo.metadata("timestamp"))["signed"]
    repo.files["metadata/timestamp.json"] = sign_document(signed, repo.signers["timestamp"])
    Visitor(repo, tmp_path).refreshed()
