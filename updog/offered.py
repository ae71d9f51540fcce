"""What a repository offers, for a mere question: by the short way if nothing has changed there.

A question is asked more often than an update is installed, on many hosts in vain. Where nothing has
changed since the last one, `updog.unchanged` answers it without reading a signature, and without
the start-up time of the code that does.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from updog import manifest
from updog.errors import NotThere, PermissionDenied, StorageError, TrustError
from updog.jsontree import MAX_BYTES
from updog.manifest import Manifest
from updog.tufnames import url
from updog.tufstore import MetadataStore
from updog.unchanged import MANIFEST, ROLES, Asked, Known, Memory
from updog.visitor import ROOT_LIMIT, Visitor, addresses, connect, introduction, shipped_root

if TYPE_CHECKING:
    from updog.session import Session

log = logging.getLogger(__name__)

TIMESTAMP_LIMIT = 1 << 20


def offered_to(env: Visitor) -> Manifest:
    """What the repository offers: as remembered if nothing has changed, or after a full refresh.

    Raises:
        UpdogError: see `updog.visitor.connect` and `read_manifest`.
    """
    paths, asked = env.settings.paths, Asked(env.fetcher)
    memory = Memory(paths.unchanged, shipped_root(paths.trusted_root), addresses(env.settings))
    stored = _stored(MetadataStore(paths.tuf_dir))
    # A grace is for carried metadata, and its rules are the session's.
    known = None if env.grace else memory.recall(stored, env.now)
    if known is not None and _is_current(env, asked, known, stored["timestamp"]):
        log.debug("the repository has not changed since the last check")
        return manifest.parse(known.manifest)
    session, content = _verified(env, asked)
    offered = manifest.parse(content)
    _remember(memory, session, content, env.now)
    return offered


def _verified(env: Visitor, asked: Asked) -> tuple[Session, bytes]:
    """Refresh and read the manifest, with what was asked already if that leads to an end."""
    if asked.anything:
        try:
            session = connect(env, asked)
            return session, session.read(MANIFEST, max_bytes=MAX_BYTES)
        except (TrustError, NotThere) as error:
            # Of several servers another one may do better, and only their own fetcher knows them.
            log.debug("asking again from the start: %s", error)
    session = connect(env)
    return session, session.read(MANIFEST, max_bytes=MAX_BYTES)


def _is_current(env: Visitor, asked: Asked, known: Known, timestamp: bytes) -> bool:
    """Ask the server in the order of the specification (5.3, 5.4); whether all is as stored."""
    base, query = env.settings.metadata_base_url, introduction(env)
    address = url(base, "timestamp.json", query)
    try:
        if asked.ask(url(base, known.next_root, query), max_bytes=ROOT_LIMIT) is not None:
            return False
        return asked.ask(address, max_bytes=TIMESTAMP_LIMIT) == timestamp
    except TrustError:
        return False  # longer than it may be: the full refresh decides what to make of that


def _stored(store: MetadataStore) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for role in ROLES:
        try:
            content = store.load(role)
        except (StorageError, PermissionDenied):
            continue  # the full refresh will say so
        if content is not None:
            found[role] = content
    return found


def _remember(memory: Memory, session: Session, content: bytes, now: datetime) -> None:
    try:
        memory.keep(session.trusted(), content, now)
    except (StorageError, PermissionDenied) as error:
        # Nothing but time is lost: the next check verifies everything again.
        log.debug("not remembered: %s", error)
