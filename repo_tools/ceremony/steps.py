"""What each ``updog-repo root …`` and ``key …`` does: read the draft, one pure change, write it.

Results go to stdout, what a signer reads goes to stderr with the questions.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tuf.api.metadata import Root, Signature

from repo_tools import keys, root, storage
from repo_tools.ceremony import files, rootdraft, words
from repo_tools.ceremony.changes import Kind, changes
from repo_tools.ceremony.rootdraft import RootDraft
from repo_tools.ceremony.standing import faults, remarks, standing
from repo_tools.console import answer, answer_path, insist, say
from repo_tools.errors import KeyFileError, RootError
from repo_tools.keys import KeyType, Rehearse
from repo_tools.keysources import Source, open_signer, public_key
from repo_tools.passphrases import Secrets
from repo_tools.repository import Repository
from repo_tools.signing import ONLINE_ROLES
from updog.errors import UsageError
from updog.tufkeys import count_signers, key_material
from waves.duration import counted_from, parse_offset_or_moment

_KEY_ID = re.compile(r"[0-9a-f]{4,64}")


def init(arguments: argparse.Namespace, now: datetime) -> None:
    """Begin version 1."""
    draft = RootDraft.of(rootdraft.empty(_moment(arguments.expires, now)))
    files.write_new(arguments.draft, draft, _rehearse(arguments))
    say("Give it keys with: updog-repo root add-key DRAFT ROLE KEY")
    answer_path(arguments, arguments.draft)


def rotate(arguments: argparse.Namespace, now: datetime) -> None:
    """Begin the version after the last root."""
    last = files.last_root(arguments.last)
    following = rootdraft.next_after(last.root, _moment(arguments.expires, now))
    files.write_new(arguments.draft, RootDraft.of(following), _rehearse(arguments))
    _tell_last(last)
    _tell(words.diff_lines(changes(last.root, following)))
    answer_path(arguments, arguments.draft)


def add_key(arguments: argparse.Namespace, _now: datetime) -> None:
    """Give keys to a role."""
    secrets = Secrets()
    added = [public_key(Source.parse(text), secrets) for text in arguments.key]
    _edit(arguments, lambda old: rootdraft.add_keys(old, arguments.role, added))


def remove_key(arguments: argparse.Namespace, _now: datetime) -> None:
    """Take a key away from a role."""

    def change(old: Root) -> Root:
        keyid = _id_of(arguments.key, old, arguments.role)
        return rootdraft.remove_key(old, arguments.role, keyid)

    _edit(arguments, change)


def threshold(arguments: argparse.Namespace, _now: datetime) -> None:
    """Say how many keys of a role must sign."""
    _edit(
        arguments,
        lambda old: rootdraft.set_threshold(old, arguments.role, arguments.number),
    )


def expire(arguments: argparse.Namespace, now: datetime) -> None:
    """Set the expiry."""
    _edit(arguments, lambda old: rootdraft.expire(old, _moment(arguments.when, now)))


def sign(arguments: argparse.Namespace, now: datetime) -> None:
    """Show what is changed, ask, and add one signature."""
    draft = files.read_draft(arguments.draft)
    before = files.root_before(draft, arguments.draft, arguments.last)
    last = before.root if before else None
    if found := faults(draft.root, last, now):
        raise RootError(f"{arguments.draft} cannot be signed. " + " ".join(found))
    # Nobody signs what was not shown, unless they said that they have read it.
    tell = say if arguments.yes else insist
    if before:
        _tell_last(before, tell)
    for line in words.diff_lines(changes(last, draft.root)):
        tell(line)
    for note in remarks(draft.root, now):
        tell(f"Note: {note}")
    if not arguments.dry_run:
        _confirm(words.signing_question(draft.root, arguments.key), yes=arguments.yes)
    signed = _with_signature(draft, last, Source.parse(arguments.key))
    files.write_draft(arguments.draft, signed, _rehearse(arguments))
    say(words.missing_line(standing(signed, last)))
    answer_path(arguments, arguments.draft)


def merge(arguments: argparse.Namespace, _now: datetime) -> None:
    """Collect the signatures of other copies."""
    draft = files.read_draft(arguments.draft)
    for path in arguments.copies:
        copy = files.read_draft(path)
        if copy.payload != draft.payload:
            raise RootError(
                f"{path} does not say the same as {arguments.draft}; nothing was written.",
                hint="Compare them with: updog-repo root show",
            )
        for signature in copy.signatures:
            draft = draft.signed_by(signature)
    files.write_draft(arguments.draft, draft, _rehearse(arguments))
    before = files.root_before(draft, arguments.draft, None)
    say(words.missing_line(standing(draft, before.root if before else None)))
    answer_path(arguments, arguments.draft)


def show(arguments: argparse.Namespace, now: datetime) -> None:
    """Show a root and who has signed it."""
    draft = files.read_draft(arguments.draft)
    before = files.root_before(draft, arguments.draft, arguments.last)
    last = before.root if before else None
    state = standing(draft, last)
    known = last if before or draft.root.version == 1 else _stand_in(draft.root)
    notes = (*faults(draft.root, known, now), *remarks(draft.root, now))
    tree = words.show_json(draft, state, notes)
    answer(arguments, tree, words.show_lines(draft, state, notes))


def diff(arguments: argparse.Namespace, _now: datetime) -> None:
    """Show what a root changes."""
    draft = files.read_draft(arguments.draft)
    before = files.root_before(draft, arguments.draft, arguments.last)
    if before is None and draft.root.version > 1:
        raise UsageError(
            f"{arguments.draft} is version {draft.root.version}; the root before it is not there.",
            hint=f"Name {draft.root.version - 1}.root.json by --last.",
        )
    last = before.root if before else None
    found = changes(last, draft.root)
    answer(arguments, words.diff_json(last, draft.root, found), words.diff_lines(found))


def accept(arguments: argparse.Namespace, now: datetime) -> None:
    """Take a fully signed root into a repository."""
    data = files.read_bytes(arguments.draft)
    rehearse = _rehearse(arguments)
    taken = Repository.accept_root(arguments.dir, data, now=now, rehearse=rehearse)
    if rehearse is None:
        _tell_accepted(arguments.dir, taken)
    answer_path(arguments, arguments.dir / "root" / taken.name)


def _tell_accepted(folder: Path, taken: root.SignedRoot) -> None:
    """What follows from a root that was taken."""
    roots = root.history(folder / "root")
    found = changes(roots[-2].root, taken.root) if len(roots) > 1 else ()
    if not found:
        say("Devices trust the repository through this file; install it in their image.")
    elif any(each.kind is Kind.KEY_REMOVED and each.role in ONLINE_ROLES for each in found):
        say("Online keys were taken away: put the new ones in place, and the old ones that are")
        say(f"not lost into {folder}/keys/retired, then: updog-repo publish {folder}")
    else:
        say(f"Not published yet. Put it out with: updog-repo refresh {folder}")


def new_key(arguments: argparse.Namespace, _now: datetime) -> None:
    """Make a private key."""
    signer = keys.generate(KeyType(arguments.key_type))
    if arguments.dry_run:
        keys.save(arguments.path, signer, rehearse=say)
        return
    passphrase = Secrets().new_passphrase(arguments.path.stem) if arguments.encrypt else None
    storage.make_folder(arguments.path.parent, mode=0o700)
    keys.save(arguments.path, signer, passphrase=passphrase)
    say(f"Made {arguments.path}. Give others its public half: updog-repo key public FILE")
    keyid = signer.public_key.keyid
    answer(arguments, {"keyid": keyid, "path": str(arguments.path)}, [keyid])


def public_half(arguments: argparse.Namespace, _now: datetime) -> None:
    """Print the public half of a key."""
    key = public_key(Source.parse(arguments.key), Secrets())
    public = key._crypto_key()  # noqa: SLF001 - the only way to one text for all key types
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    say(f"Key id: {key.keyid}")
    text = pem.decode().rstrip("\n")
    answer(arguments, {"keyid": key.keyid, "pem": f"{text}\n"}, [text])


STEPS: Mapping[str, Callable[[argparse.Namespace, datetime], None]] = {
    step.__name__: step
    for step in (
        *(init, rotate, add_key, remove_key, threshold, expire),
        *(sign, merge, show, diff, accept, new_key, public_half),
    )
}


def _rehearse(arguments: argparse.Namespace) -> Rehearse | None:
    """Told what would be written, if the command only tries."""
    return say if arguments.dry_run else None


def _edit(arguments: argparse.Namespace, change: Callable[[Root], Root]) -> None:
    """Change a draft, say what was changed, and let go of signatures over what it was."""
    path = arguments.draft
    draft = files.read_draft(path)
    after = change(draft.root)
    files.write_draft(path, RootDraft.of(after), _rehearse(arguments))
    _tell(words.diff_lines(changes(draft.root, after)))
    if draft.signatures:
        say(f"{len(draft.signatures)} signature(s) were over the old draft and are gone.")
    answer_path(arguments, path)


def _with_signature(draft: RootDraft, last: Root | None, source: Source) -> RootDraft:
    """Sign under every id that the key has in the two roots, and check each signature."""
    judges = (draft.root, last) if last else (draft.root,)
    known = {k: judge.keys[k] for judge in judges for k in judge.roles[Root.type].keyids}
    signer = open_signer(source, known.values(), Secrets())
    made = root.sign(draft, signer)
    signature = made.signatures[-1]
    keyid = signature.keyid
    if not count_signers({keyid: signer.public_key}, {keyid: signature}, made.payload):
        raise KeyFileError(f"What {source} signed does not verify; the draft is unchanged.")
    material = key_material(signer.public_key)
    for other, key in known.items():
        if key_material(key) == material and other != keyid:
            made = made.signed_by(Signature(other, signature.signature))
    return made


def _id_of(text: str, old: Root, role: str) -> str:
    """A key id as typed, or that of the key at a place."""
    if _KEY_ID.fullmatch(text):
        return text
    held = [old.keys[keyid] for keyid in old.roles[role].keyids]
    return keys.match(public_key(Source.parse(text), Secrets()), held, text).keyid


def _stand_in(new: Root) -> Root:
    """A root just before ``new``, so that a look at a later one does not blame its version."""
    before = Root.from_dict(new.to_dict())
    before.version -= 1
    return before


def _moment(text: str, now: datetime) -> datetime:
    return counted_from(parse_offset_or_moment(text), now)


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "A signature takes a yes, and there is no terminal to ask at.",
            hint="Read the changes above, then say it with --yes.",
        )
    sys.stderr.write(f"{question} Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != "yes":
        raise UsageError("Not signed.")


def _tell_last(last: files.LastRoot, tell: Callable[[str], None] = say) -> None:
    tell(f"The last root is version {last.root.version}, {last.path}")
    tell(f"  SHA-256 {last.digest}; compare it with what the other signers see.")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)
