"""The files of a ceremony: a draft, and the root before it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tuf.api.metadata import Root

from repo_tools import storage
from repo_tools.ceremony.rootdraft import RootDraft, parse
from repo_tools.errors import AlreadyThere, RootError
from repo_tools.keys import Rehearse
from updog.errors import UsageError
from updog.tufroot import self_signed_root


@dataclass(frozen=True, slots=True)
class LastRoot:
    """The root before a draft.

    Attributes:
        path: its file.
        root: what it says.
        digest: SHA-256 of its bytes, to be compared with the other signers'.
    """

    path: Path
    root: Root
    digest: str


def read_draft(path: Path) -> RootDraft:
    """Read a draft, or a root that is signed.

    Raises:
        UsageError: no such file.
        TrustError: it is not the shape of a root.
        RootError: it is other metadata.
    """
    return parse(read_bytes(path), str(path))


def write_draft(path: Path, draft: RootDraft, rehearse: Rehearse | None = None) -> None:
    """Replace a draft in one step, or only tell ``rehearse`` that it would be.

    Raises:
        UsageError: clients would see it, or a publisher take it for an accepted root.
    """
    _check_apart(path)
    if rehearse is None:
        storage.write(path, draft.data)
    else:
        rehearse(f"Would write {path}")


def write_new(path: Path, draft: RootDraft, rehearse: Rehearse | None = None) -> None:
    """Write the first state of a draft, or only tell ``rehearse`` that it would be.

    Raises:
        AlreadyThere: there is a file; it may hold signatures that people travelled for.
        UsageError: as for `write_draft`.
    """
    _check_apart(path)
    if path.exists():
        raise AlreadyThere(f"{path} exists and is not overwritten.", hint="Choose another name.")
    write_draft(path, draft, rehearse)


def last_root(named: Path) -> LastRoot:
    """The root in a file, or the newest one of a repository.

    Args:
        named: a ``root.json``, or the folder of a repository.

    Raises:
        UsageError: no such file.
        TrustError: it is not signed by its own keys.
    """
    path = _newest(named) if named.is_dir() else named
    data = read_bytes(path)
    self_signed_root(data)
    return LastRoot(path, parse(data, str(path)).root, sha256(data).hexdigest())


def root_before(draft: RootDraft, path: Path, named: Path | None) -> LastRoot | None:
    """The root before a draft: the one that is named, or the one that lies beside the draft.

    None for a first root, and where there is no such file.

    Raises:
        RootError: it is not the version before.
    """
    version = draft.root.version - 1
    if named is None:
        named = path.parent / f"{version}.root.json"
        if version < 1 or not named.is_file():
            return None
    found = last_root(named)
    if found.root.version != version:
        raise RootError(
            f"{path} is version {draft.root.version}, and {found.path} is version "
            f"{found.root.version}, not {version}.",
            hint=f"Name {version}.root.json by --last.",
        )
    return found


def _check_apart(path: Path) -> None:
    """A draft is not signed by enough keys yet, so it lies nowhere where a root counts.

    Raises:
        UsageError: it would, and so look like the next root to all who read there.
    """
    # Both ways to the file: ``published`` may be a link to the folder of a web server.
    for seen in dict.fromkeys((path.resolve(), path.absolute())):
        for folder in seen.parents:
            if _is_read_by_others(folder):
                raise UsageError(
                    f"{path} was not written: it is below {folder}, where only roots that are"
                    " accepted may be, and a draft is none.",
                    hint="Keep the draft elsewhere; take it in, once enough keys have signed it,"
                    " with: updog-repo root accept DIR DRAFT",
                )


def _is_read_by_others(folder: Path) -> bool:
    """Whether it is ``root/`` or ``published/`` of a repository, or clients' metadata."""
    if (folder / "timestamp.json").is_file():
        return True
    return folder.name in {"root", "published"} and _is_repository(folder.parent)


def _is_repository(folder: Path) -> bool:
    """Other folders have a ``root`` as well, the file system of a machine to begin with."""
    roots = folder / "root"
    if any((folder / name).is_file() for name in ("keys.toml", "publish.toml")):
        return roots.is_dir()
    return any(roots.glob("*.root.json"))


def _newest(folder: Path) -> Path:
    below = folder / "root" if (folder / "root").is_dir() else folder
    numbers = [int(p.name.split(".")[0]) for p in below.glob("*.root.json") if p.name[0].isdigit()]
    if not numbers:
        raise UsageError(f"There is no N.root.json in {below}.")
    return below / f"{max(numbers)}.root.json"


def read_bytes(path: Path) -> bytes:
    """The bytes of a file of the ceremony.

    Raises:
        UsageError: no such file.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
