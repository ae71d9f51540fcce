"""A root, a difference and a standing as text for people and as JSON for programs. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tuf.api.metadata import Root

from repo_tools.ceremony.changes import Change
from repo_tools.ceremony.rootdraft import ROLES, RootDraft
from repo_tools.ceremony.standing import Progress, Standing
from waves.duration import format_moment


def show_lines(draft: RootDraft, state: Standing, notes: Sequence[str]) -> Iterator[str]:
    """What a root says, who has signed it, and what to think about."""
    root = draft.root
    yield f"version     {root.version}"
    yield f"expires     {format_moment(root.expires)}"
    for role in ROLES:
        rule = root.roles[role]
        yield f"{role:<11} {rule.threshold} of {len(rule.keyids)} must sign"
        for keyid in sorted(rule.keyids):
            key = root.keys[keyid]
            yield f"            {key.keytype:<8} {keyid}"
    yield from standing_lines(state)
    yield from (f"note        {note}" for note in notes)


def standing_lines(state: Standing) -> Iterator[str]:
    """Who has signed, by the draft's own keys and by those before it."""
    yield f"signatures  {_progress(state.own)} by its own root keys"
    if state.last is not None:
        of = f"by the root keys of version {state.last.version}"
        yield f"            {_progress(state.last)} {of}"
    elif state.own.version > 1:
        yield "            those of the version before were not looked at; name it by --last"


def missing_line(state: Standing) -> str:
    """What is still to be done, in one sentence."""
    if not state.missing:
        return "Signed by enough keys. Take it in with: updog-repo root accept DIR DRAFT"
    wanted = [
        f"{each.missing} of the root keys of version {each.version}"
        for each in (state.own, state.last)
        if each and each.missing
    ]
    return f"Still to sign: {' and '.join(wanted)} (one key may count for both)."


def _progress(state: Progress) -> str:
    by = ", ".join(keyid[:8] for keyid in state.signed)
    return f"{state.count} of the {state.threshold} needed{f' ({by})' if by else ''}"


def diff_lines(changes: Sequence[Change]) -> Iterator[str]:
    """One change a line."""
    if not changes:
        yield "Nothing is changed."
    yield from (f"- {change.text}" for change in changes)


def show_json(draft: RootDraft, state: Standing, notes: Sequence[str]) -> dict[str, Any]:
    """The same as `show_lines` (docs/schemas/root-show.json)."""
    root = draft.root
    return {
        "version": root.version,
        "expires": format_moment(root.expires),
        "roles": {role: _role(root, role) for role in ROLES},
        "signatures": standing_json(state),
        "notes": list(notes),
    }


def diff_json(last: Root | None, new: Root, changes: Sequence[Change]) -> dict[str, Any]:
    """A difference (docs/schemas/root-diff.json)."""
    return {
        "from": last.version if last else None,
        "to": new.version,
        "changes": [
            {"kind": each.kind.value, "role": each.role, "key": each.key, "text": each.text}
            for each in changes
        ],
    }


def standing_json(state: Standing) -> dict[str, Any]:
    """Who has signed."""
    return {
        "complete": not state.missing,
        "own": _progress_json(state.own),
        "last": _progress_json(state.last) if state.last else None,
    }


def _progress_json(state: Progress) -> dict[str, Any]:
    return {
        "version": state.version,
        "threshold": state.threshold,
        "count": state.count,
        "signed": list(state.signed),
        "waiting": list(state.waiting),
    }


def _role(root: Root, role: str) -> dict[str, Any]:
    rule = root.roles[role]
    keys = (root.keys[keyid] for keyid in sorted(rule.keyids))
    return {
        "threshold": rule.threshold,
        "keys": [{"id": key.keyid, "type": key.keytype, "scheme": key.scheme} for key in keys],
    }


def signing_question(root: Root, key_name: str) -> str:
    """What a signer is asked at last."""
    return f"Sign version {root.version} of the root with the key {key_name}?"
