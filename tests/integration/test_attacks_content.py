"""Attacks on what is installed: `update` over real HTTP refuses, and the running set boots.

Each test is a row of docs/threat-model.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey

from tests.fakes.attack_world import REFUSED, UNREACHABLE, AttackWorld, attack_world
from tests.fakes.client_world import V1, V2, V3, release
from tests.fakes.repository import FakeRepository, sign
from updog.manifest import Images, Manifest, dump

ROLES = ("timestamp", "snapshot", "targets")
EXTRA = Images("boot.lz4", "extra.lz4", "hash.lz4")
IMAGES = ("boot.lz4", "root.lz4", "hash.lz4")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AttackWorld]:
    with attack_world(tmp_path) as made:
        yield made


def test_without_an_attack_the_update_is_installed(world: AttackWorld) -> None:
    world.updates()


class TestArbitrarySoftware:
    @pytest.mark.parametrize("image", IMAGES)
    def test_an_image_of_the_same_length(self, world: AttackWorld, image: str) -> None:
        honest = world.repo.files[world.path(image)]
        world.replace(image, honest[:-1] + bytes([honest[-1] ^ 1]))
        world.refuses(image)

    def test_a_manifest(self, world: AttackWorld) -> None:
        world.replace("manifest.json", dump(Manifest((release(V2),), {})))
        world.refuses_untouched("manifest.json")

    @pytest.mark.parametrize("role", ROLES)
    def test_metadata_without_a_signature(self, world: AttackWorld, role: str) -> None:
        world.repo.hashes_in_metadata = False
        world.repo.publish()
        document = json.loads(world.repo.metadata(role))
        document["signatures"] = []
        world.replace(role, json.dumps(document).encode())
        world.refuses_untouched("0 of the 1 keys")

    @pytest.mark.parametrize("role", ROLES)
    def test_metadata_changed_after_it_was_signed(self, world: AttackWorld, role: str) -> None:
        world.repo.hashes_in_metadata = False
        world.repo.publish()
        document = json.loads(world.repo.metadata(role))
        document["signed"]["expires"] = "2999-01-01T00:00:00Z"
        world.replace(role, json.dumps(document).encode())
        world.refuses_untouched("0 of the 1 keys")


class TestWrongKeys:
    @pytest.mark.parametrize("role", ROLES)
    def test_of_strangers(self, world: AttackWorld, role: str) -> None:
        world.repo.signers[role] = [world.repo.new_key()]
        world.repo.publish()
        world.forged.add(world.repo.metadata(role))
        world.refuses_untouched(f"{role}.json")

    @pytest.mark.parametrize(("role", "other"), [*permutations(ROLES, 2), ("targets", "root")])
    def test_of_another_role(self, world: AttackWorld, role: str, other: str) -> None:
        world.repo.signers[role] = world.repo.signers[other]
        world.repo.publish()
        world.forged.add(world.repo.metadata(role))
        world.refuses_untouched(f"{role}.json")

    @pytest.mark.parametrize("side", ["old", "new"])
    def test_for_a_root_that_only_one_side_signed(self, world: AttackWorld, side: str) -> None:
        repo = world.repo
        old = list(repo.signers["root"])
        repo.rotate("root")
        signers = old if side == "old" else repo.signers["root"]
        repo.root.version = 2
        repo.files["metadata/2.root.json"] = sign(repo.root, signers)
        world.forged.add(repo.files["metadata/2.root.json"])
        world.refuses_untouched("root")

    def test_of_a_whole_other_repository(self, world: AttackWorld) -> None:
        foreign = FakeRepository(now=world.repo.expiry)
        for name in ("manifest.json", *IMAGES):
            foreign.add_target(name, world.repo.files[world.path(name)])
        foreign.publish()
        world.repo.files = foreign.files
        world.forged.update(foreign.files.values())
        world.refuses_untouched("timestamp.json")


def two_keys(world: AttackWorld, role: str) -> None:
    """Make two signatures necessary for a role."""
    world.repo.add_signers(role, 1, threshold=2)
    world.repo.publish_root()


def under_another_id(signer: CryptoSigner) -> CryptoSigner:
    """The same key pair, whose public key goes by another name."""
    key = signer.public_key
    alias = SSlibKey("f" * 64, key.keytype, key.scheme, dict(key.keyval))
    return CryptoSigner(signer._private_key, alias)


@pytest.mark.parametrize("role", ROLES)
class TestThresholdTricks:
    def test_one_signature_where_two_are_due(self, world: AttackWorld, role: str) -> None:
        two_keys(world, role)
        del world.repo.signers[role][1:]
        world.repo.publish()
        world.refuses_untouched("1 of the 2 keys")

    def test_one_signature_twice(self, world: AttackWorld, role: str) -> None:
        two_keys(world, role)
        del world.repo.signers[role][1:]
        world.repo.hashes_in_metadata = False
        world.repo.publish()
        document = json.loads(world.repo.metadata(role))
        document["signatures"] *= 2
        world.replace(role, json.dumps(document).encode())
        world.refuses_untouched("two signatures under one key id")

    def test_one_key_under_two_ids(self, world: AttackWorld, role: str) -> None:
        repo = world.repo
        alias = under_another_id(repo.signers[role][0])
        repo.root.add_key(alias.public_key, role)
        repo.root.roles[role].threshold = 2
        repo.signers[role].append(alias)
        repo.publish_root()
        repo.publish()
        world.refuses_untouched("1 of the 2 keys")

    def test_a_threshold_of_nothing(self, world: AttackWorld, role: str) -> None:
        def no_signature(signed: dict[str, Any]) -> None:
            signed["roles"][role]["threshold"] = 0

        world.repo.publish_root()
        world.repo.resign("root", no_signature)
        world.refuses_untouched("threshold")

    def test_members_given_twice(self, world: AttackWorld, role: str) -> None:
        world.repo.hashes_in_metadata = False
        world.repo.publish()
        text = world.repo.metadata(role).decode()
        world.replace(role, text.replace('"version"', '"version": 1, "version"', 1).encode())
        world.refuses_untouched("stands there twice")


class TestExtraneousDependency:
    def test_an_image_that_the_repository_does_not_list(self, world: AttackWorld) -> None:
        world.machine.client.offer(replace(release(V3), images=EXTRA))
        world.repo.files["targets/extra.lz4"] = b"never signed"
        world.refuses_untouched("extra.lz4")

    def test_a_migration_that_the_repository_does_not_list(self, world: AttackWorld) -> None:
        manifest = Manifest((release(V2),), {(V1, V2): ("extra",)})
        world.repo.add_target("manifest.json", dump(manifest))
        world.repo.publish()
        world.refuses_untouched("extra")

    def test_a_delegated_role_cannot_speak_outside_of_its_paths(self, world: AttackWorld) -> None:
        repo = world.repo
        repo.delegate("targets", "vendor", ["vendor-*"])
        repo.add_target("extra.lz4", b"not theirs to sign", role="vendor")
        world.machine.client.offer(replace(release(V3), images=EXTRA))
        world.refuses_untouched("extra.lz4")

    def test_files_nobody_lists_are_never_asked_for(self, world: AttackWorld) -> None:
        world.repo.files["metadata/9.extra.json"] = b"{}"
        world.repo.files["targets/extra.lz4"] = b"extra"
        world.updates()
        assert not any("extra" in path for path, _ in world.server.log)


class TestMixAndMatch:
    @pytest.mark.parametrize("role", ["snapshot", "targets"])
    @pytest.mark.parametrize("hashes", [True, False])
    def test_a_file_of_an_earlier_publication(
        self, world: AttackWorld, role: str, *, hashes: bool
    ) -> None:
        world.repo.hashes_in_metadata = hashes
        world.repo.publish()
        earlier = world.repo.metadata(role)
        world.repo.publish()
        world.replace(role, earlier)
        world.refuses_untouched(f"{role}.json")

    def test_an_image_of_another_target(self, world: AttackWorld) -> None:
        boot, root = (world.repo.files[world.path(name)] for name in ("boot.lz4", "root.lz4"))
        world.replace("boot.lz4", root)
        world.replace("root.lz4", boot)
        world.refuses("lz4")

    def test_a_manifest_of_an_earlier_publication(self, world: AttackWorld) -> None:
        earlier = world.repo.files[world.path("manifest.json")]
        world.offer(V2)
        world.replace("manifest.json", earlier)
        world.refuses_untouched("manifest.json")


def test_exit_codes_tell_a_broken_repository_from_an_absent_one(world: AttackWorld) -> None:
    del world.repo.files[world.path("timestamp")]
    world.refuses_untouched("timestamp.json", code=UNREACHABLE)
    world.replace("timestamp", b"{}")
    world.refuses_untouched("timestamp.json", code=REFUSED)
