from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Role, Root, Targets

from repo_tools import keys, signing
from repo_tools.errors import KeyFileError
from repo_tools.keys import KeyType
from repo_tools.signing import Signers
from tests.fakes.repositories import NOW


def root_with(signers: list[CryptoSigner], threshold: int) -> Root:
    ids = [signer.public_key.keyid for signer in signers]
    return Root(
        keys={signer.public_key.keyid: signer.public_key for signer in signers},
        roles={role: Role(ids, threshold) for role in ("root", "targets", "snapshot", "timestamp")},
    )


def two_keys() -> list[CryptoSigner]:
    return [keys.generate(KeyType.ED25519) for _ in range(2)]


def test_every_key_at_hand_signs() -> None:
    pair = two_keys()
    data = Signers(root_with(pair, 2), {"targets": pair}).sign(signing.targets_of([], 1, NOW))
    metadata = Metadata[Targets].from_bytes(data)
    assert set(metadata.signatures) == {signer.public_key.keyid for signer in pair}


def test_too_few_keys_sign_nothing() -> None:
    pair = two_keys()
    with pytest.raises(KeyFileError, match="1 more targets key"):
        Signers(root_with(pair, 2), {"targets": pair[:1]}).sign(signing.targets_of([], 1, NOW))


def test_expiry_is_written_in_whole_seconds_of_utc() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert signing.whole_second(east) == datetime(2031, 4, 7, 9, 0, 0, tzinfo=UTC)


def test_members_stand_in_one_order() -> None:
    pair = two_keys()
    data = Signers(root_with(pair, 1), {"targets": pair}).sign(signing.targets_of([], 1, NOW))
    assert data == json.dumps(json.loads(data), indent=2, sort_keys=True).encode() + b"\n"
