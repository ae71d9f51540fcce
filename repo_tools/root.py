"""The root of trust: made once at ``init``, kept as a history of signed files, renewed in time.

The root names every key of the repository. Its own keys are several, and a threshold of them must
sign, so that one lost or stolen key neither stops the repository nor takes it over. They belong
offline. Targets, snapshot and timestamp have one online key each.

``root/N.root.json`` holds every version ever signed. All of them are published and stay published
for ever: a device that was switched off for years walks from the version in its image to today's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner, Key
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Role, Root

from repo_tools import keys, storage
from repo_tools.errors import AlreadyThere, KeyFileError, NotARepository, RootError
from repo_tools.keys import KeyType
from repo_tools.signing import ONLINE_ROLES, SPEC_VERSION, pretty, whole_second

LIFETIME = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class RootPlan:
    """What a new root shall look like.

    Attributes:
        key_type: of all keys, root and online.
        root_keys: how many offline root keys to make.
        threshold: how many of them must sign a root.
        lifetime: from its signing to its expiry.

    Raises:
        RootError: a threshold that can never, or always, be reached, or no lifetime.
    """

    key_type: KeyType = KeyType.ED25519
    root_keys: int = 3
    threshold: int = 2
    lifetime: timedelta = LIFETIME

    def __post_init__(self) -> None:
        if not 1 <= self.threshold <= self.root_keys:
            raise RootError(
                f"A threshold of {self.threshold} out of {self.root_keys} root key(s) cannot be.",
                hint="Choose a threshold from 1 to the number of root keys.",
            )
        if self.lifetime <= timedelta(0):
            raise RootError("A root that expires when it is signed is of no use.")


@dataclass(frozen=True, slots=True)
class SignedRoot:
    """One version of the root: the exact published bytes and what they say."""

    root: Root
    data: bytes

    @property
    def name(self) -> str:
        """Its file name, ``N.root.json``."""
        return f"{self.root.version}.root.json"


def create(keys_folder: Path, root_folder: Path, plan: RootPlan, *, now: datetime) -> SignedRoot:
    """Make all keys and version 1 of the root, signed by every root key.

    Args:
        keys_folder: private keys go here, in a folder of mode 0700.
        root_folder: ``1.root.json`` goes here, last of all.
        plan: numbers, kinds and times.
        now: the moment from which the lifetime counts.

    Raises:
        AlreadyThere: there are keys or a root in these folders.
    """
    _refuse_to_overwrite(keys_folder, root_folder)
    signers = [keys.generate(plan.key_type) for _ in range(plan.root_keys)]
    online = {role: keys.generate(plan.key_type) for role in ONLINE_ROLES}
    storage.make_folder(keys_folder, mode=0o700)
    for number, signer in enumerate(signers, 1):
        keys.save(keys_folder / f"root-{number}.pem", signer)
    for role, signer in online.items():
        keys.save(keys_folder / f"{role}.pem", signer)
    root = draft(
        plan,
        [signer.public_key for signer in signers],
        {role: signer.public_key for role, signer in online.items()},
        now=now,
    )
    return _sign_and_save(root, None, signers, root_folder)


def draft(
    plan: RootPlan, root_keys: Sequence[Key], online: Mapping[str, Key], *, now: datetime
) -> Root:
    """Version 1 of a root, unsigned: offline keys with the threshold, one online key a role."""
    every = [*root_keys, *online.values()]
    return Root(
        version=1,
        spec_version=SPEC_VERSION,
        expires=whole_second(now + plan.lifetime),
        keys={key.keyid: key for key in every},
        roles={
            Root.type: Role([key.keyid for key in root_keys], plan.threshold),
            **{role: Role([key.keyid], 1) for role, key in online.items()},
        },
        consistent_snapshot=True,
    )


def renew(
    keys_folder: Path, root_folder: Path, *, now: datetime, lifetime: timedelta = LIFETIME
) -> SignedRoot:
    """Sign the next version of the root: the same keys, a later expiry.

    Args:
        keys_folder: holds ``root-*.pem``, enough of them for the threshold.
        root_folder: the history; the new version is added to it.
        now: the moment from which the lifetime counts.
        lifetime: until it expires.

    Raises:
        KeyFileError: fewer root keys at hand than the threshold.
        RootError: the history is broken.
    """
    newest = history(root_folder)[-1]
    root = Root.from_dict(newest.root.to_dict())
    root.version += 1
    root.expires = whole_second(now + lifetime)
    known = [root.get_key(keyid) for keyid in root.roles[Root.type].keyids]
    signers = [keys.load(path, known) for path in sorted(keys_folder.glob("root-*.pem"))]
    return _sign_and_save(root, newest.root, signers, root_folder)


def history(root_folder: Path) -> tuple[SignedRoot, ...]:
    """Every version of the root in order, each checked as a client would check it.

    Raises:
        NotARepository: there is no root at all.
        RootError: a version is missing in between, damaged, or signed by too few keys.
    """
    found: list[SignedRoot] = []
    for version in _versions(root_folder):
        data = (root_folder / f"{version}.root.json").read_bytes()
        found.append(read(data, found[-1].root if found else None, f"{version}.root.json"))
    if not found:
        raise NotARepository(
            f"There is no root.json in {root_folder}.",
            hint="Make a repository with: updog-repo init DIR",
        )
    return tuple(found)


def read(data: bytes, previous: Root | None, name: str) -> SignedRoot:
    """One signed root out of its bytes.

    Args:
        data: the file.
        previous: the version before, whose keys must have signed too; None for the first at hand.
        name: the file's name, for messages.

    Raises:
        RootError: damaged, out of order, or signed by too few keys.
    """
    try:
        metadata = Metadata[Root].from_bytes(data)
        root = metadata.signed
        if root.type != Root.type:
            raise RootError(f"{name} is {root.type} metadata, not a root.")
        enough = root.get_root_verification_result(
            previous, metadata.signed_bytes, metadata.signatures
        )
    except (RepositoryError, ValueError) as error:
        raise RootError(f"{name} is not a usable root: {error}.") from error
    if not enough or f"{root.version}.root.json" != name:
        raise RootError(
            f"{name} does not carry enough signatures of its own root keys and of those before it."
            if not enough
            else f"{name} says that it is version {root.version}.",
            hint="Publishing it would stop every client; sign it again or take it away.",
        )
    return SignedRoot(root, data)


def _versions(root_folder: Path) -> Iterable[int]:
    stems = (path.name.split(".")[0] for path in root_folder.glob("*.root.json"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def _sign_and_save(
    root: Root, previous: Root | None, signers: Iterable[CryptoSigner], folder: Path
) -> SignedRoot:
    metadata = Metadata(root)
    for signer in signers:
        metadata.sign(signer, append=True)
    result = root.get_root_verification_result(previous, metadata.signed_bytes, metadata.signatures)
    if not result:
        missing = max(result.first.missing, result.second.missing)
        raise KeyFileError(
            f"{missing} more root key(s) needed to sign version {root.version} of the root.",
            hint="Bring the offline keys root-*.pem to the folder of the keys, or use --keys.",
        )
    signed = SignedRoot(root, pretty(metadata))
    storage.make_folder(folder)
    storage.write(folder / signed.name, signed.data)
    return signed


def _refuse_to_overwrite(keys_folder: Path, root_folder: Path) -> None:
    for folder in (root_folder, keys_folder):
        if folder.exists() and any(folder.iterdir()):
            raise AlreadyThere(
                f"{folder} is not empty, and neither keys nor roots are ever overwritten.",
                hint="Choose another folder, or move this one away.",
            )
