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

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Root

from repo_tools import keys, storage
from repo_tools.ceremony import rootdraft, standing
from repo_tools.ceremony.rootdraft import RootDraft
from repo_tools.errors import AlreadyThere, KeyFileError, NotARepository, RootError
from repo_tools.keyring import KeyRing
from repo_tools.keys import KeyType, Rehearse
from repo_tools.signing import ONLINE_ROLES, cannot_sign
from updog.errors import TrustError
from updog.tufroot import precedes, self_signed_root

LIFETIME = timedelta(days=365)
_UNDERSIGNED = "Publishing it would stop every client; sign it again or take it away."


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


def create(
    keys_folder: Path,
    root_folder: Path,
    plan: RootPlan,
    *,
    now: datetime,
    rehearse: Rehearse | None = None,
) -> SignedRoot:
    """Make all keys and version 1 of the root, signed by every root key.

    Args:
        keys_folder: private keys go here, in a folder of mode 0700.
        root_folder: ``1.root.json`` goes here, last of all.
        plan: numbers, kinds and times.
        now: the moment from which the lifetime counts.
        rehearse: told what would be written; the keys are forgotten again.

    Raises:
        AlreadyThere: there are keys or a root in these folders.
    """
    _refuse_to_overwrite(keys_folder, root_folder)
    signers = [keys.generate(plan.key_type) for _ in range(plan.root_keys)]
    online = {role: keys.generate(plan.key_type) for role in ONLINE_ROLES}
    if rehearse is None:
        storage.make_folder(keys_folder, mode=0o700)
    names = [f"root-{number}" for number in range(1, plan.root_keys + 1)]
    for name, signer in zip([*names, *online], [*signers, *online.values()], strict=True):
        keys.save(keys_folder / f"{name}.pem", signer, rehearse=rehearse)
    root = draft(
        plan,
        [signer.public_key for signer in signers],
        {role: signer.public_key for role, signer in online.items()},
        now=now,
    )
    return _sign_and_save(root, None, signers, root_folder, now=now, rehearse=rehearse)


def draft(
    plan: RootPlan, root_keys: Sequence[Key], online: Mapping[str, Key], *, now: datetime
) -> Root:
    """Version 1 of a root, unsigned: offline keys with the threshold, one online key a role."""
    root = rootdraft.add_keys(rootdraft.empty(now + plan.lifetime), Root.type, root_keys)
    root = rootdraft.set_threshold(root, Root.type, plan.threshold)
    for role, key in online.items():
        root = rootdraft.add_keys(root, role, [key])
    return root


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
    return renew_with(KeyRing(keys_folder), root_folder, now=now, lifetime=lifetime)


def renew_with(
    ring: KeyRing,
    root_folder: Path,
    *,
    now: datetime,
    lifetime: timedelta = LIFETIME,
    rehearse: Rehearse | None = None,
) -> SignedRoot:
    """The same, with the root keys of a ring wherever they are."""
    last = history(root_folder)[-1].root
    root = rootdraft.next_after(last, now + lifetime)
    known = [root.get_key(keyid) for keyid in root.roles[Root.type].keyids]
    signers = ring.signers(Root.type, known) if ring.sources(Root.type) else []
    return _sign_and_save(root, last, signers, root_folder, now=now, rehearse=rehearse)


def history(root_folder: Path) -> tuple[SignedRoot, ...]:
    """Every version of the root in order, each checked as a client would check it.

    Raises:
        NotARepository: there is no root at all.
        RootError: a version is missing in between, damaged, or signed by too few keys.
    """
    found: list[SignedRoot] = []
    for version in _versions(root_folder):
        data = (root_folder / f"{version}.root.json").read_bytes()
        found.append(read(data, found[-1] if found else None, f"{version}.root.json"))
    if not found:
        raise NotARepository(
            f"There is no root.json in {root_folder}.",
            hint="Make a repository with: updog-repo init DIR",
        )
    return tuple(found)


def read(data: bytes, previous: SignedRoot | None, name: str) -> SignedRoot:
    """One signed root out of its bytes, judged by the client's own code.

    Args:
        data: the file.
        previous: the version before, whose keys must have signed too; None for the first at hand.
        name: the file's name, for messages.

    Raises:
        RootError: damaged, out of order, or signed by too few keys.
    """
    try:
        root = rootdraft.parse(data, name).root
    except TrustError as error:
        raise RootError(f"{name} is not a usable root: {error}.") from error
    if previous is not None and root.version != previous.root.version + 1:
        raise RootError(
            f"{name} is version {root.version}, and roots are sequential: after version "
            f"{previous.root.version} comes {previous.root.version + 1}.",
            hint="Put back the versions in between, or take this one away.",
        )
    try:
        self_signed_root(data)
        if previous is not None:
            precedes(previous.data, data)
    except TrustError as error:
        raise RootError(
            f"{name} does not carry enough signatures of its own root keys and of those before it: "
            f"{error}.",
            hint=_UNDERSIGNED,
        ) from error
    if f"{root.version}.root.json" != name:
        raise RootError(f"{name} says that it is version {root.version}.", hint=_UNDERSIGNED)
    return SignedRoot(root, data)


def accept(
    root_folder: Path, data: bytes, *, now: datetime, rehearse: Rehearse | None = None
) -> SignedRoot:
    """Take a root into the history. Nothing else ever writes there.

    Args:
        root_folder: the history, empty or missing before the first root.
        data: the file, fully signed.
        now: the time; an expired root is refused.
        rehearse: told what would be written, if nothing shall be.

    Raises:
        RootError: not the next version, expired, or not signed by enough keys; nothing was written.
    """
    before = history(root_folder) if any(_versions(root_folder)) else ()
    signed = check_next(data, before, now=now)
    if rehearse is not None:
        rehearse(f"Would write {root_folder / signed.name}")
        return signed
    storage.make_folder(root_folder)
    storage.write(root_folder / signed.name, signed.data)
    return signed


def check_next(data: bytes, before: Sequence[SignedRoot], *, now: datetime) -> SignedRoot:
    """Check that a root may follow those before it, as every client will check it.

    Raises:
        RootError: it may not.
    """
    last = before[-1] if before else None
    version = last.root.version + 1 if last else 1
    found = rootdraft.parse(data, "The draft").root
    if found.version != version:
        raise RootError(
            f"The draft is version {found.version}; the next of this repository is {version}.",
            hint="Begin the next one with: updog-repo root rotate DRAFT --last DIR",
        )
    if faults := standing.faults(found, last.root if last else None, now):
        raise RootError("The root cannot be used. " + " ".join(faults))
    return read(data, last, f"{version}.root.json")


def _versions(root_folder: Path) -> Iterable[int]:
    stems = (path.name.split(".")[0] for path in root_folder.glob("*.root.json"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def _sign_and_save(
    root: Root,
    last: Root | None,
    signers: Iterable[Signer],
    folder: Path,
    *,
    now: datetime,
    rehearse: Rehearse | None,
) -> SignedRoot:
    draft = RootDraft.of(root)
    for signer in signers:
        draft = sign(draft, signer)
    if missing := standing.standing(draft, last).missing:
        raise KeyFileError(
            f"{missing} more root key(s) needed to sign version {root.version} of the root.",
            hint="Bring the offline keys root-*.pem to the folder of the keys, or use --keys.",
        )
    return accept(folder, draft.data, now=now, rehearse=rehearse)


def sign(draft: RootDraft, signer: Signer) -> RootDraft:
    """Add one signature to a draft.

    Raises:
        KeyFileError: the key service or token that holds the key does not sign.
    """
    try:
        return draft.signed_by(signer.sign(draft.payload))
    except Exception as error:  # signers raise whatever their libraries raise
        raise cannot_sign(signer, error) from error


def _refuse_to_overwrite(keys_folder: Path, root_folder: Path) -> None:
    for folder in (root_folder, keys_folder):
        if folder.exists() and any(folder.iterdir()):
            raise AlreadyThere(
                f"{folder} is not empty, and neither keys nor roots are ever overwritten.",
                hint="Choose another folder, or move this one away.",
            )
