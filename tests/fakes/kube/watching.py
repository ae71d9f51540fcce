"""Lists in pages and watches that resume: what the server shows of the history."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from time import monotonic

from tests.fakes.kube import events
from tests.fakes.kube.errors import ApiError, expired
from tests.fakes.kube.resources import Object, Resource
from tests.fakes.kube.selectors import Test
from tests.fakes.kube.store import Change, Store


@dataclass(frozen=True, slots=True)
class Query:
    """What is listed or watched."""

    resource: Resource
    namespace: str
    wanted: Test
    version: str = ""
    match: str = ""
    limit: int = 0
    after: str = ""
    timeout: float | None = None
    bookmarks: bool = False


def listed(store: Store, query: Query, *, stale: int = 0) -> Object:
    """One page of a list.

    Args:
        store: what is there.
        query: what of it.
        stale: how many versions old an answer of any version may be.

    Raises:
        ApiError: 410 where a page's list is forgotten, 400 for a token that is none, 504 for a
            version that does not exist yet.
    """
    with store.lock:
        version, after = _where(store, query, stale)
        place, space = query.resource.place, query.namespace
        items = (
            store.at(version, place, space)
            if version != store.version
            else store.items(place, space)
        )
        found = [each for each in items if query.wanted(each) and _place_of(each) > after]
    page = found[: query.limit] if query.limit else found
    metadata: Object = {"resourceVersion": str(version)}
    if len(page) < len(found):
        metadata["continue"] = _token(version, page[-1])
        metadata["remainingItemCount"] = len(found) - len(page)
    return {
        "kind": f"{query.resource.kind}List",
        "apiVersion": query.resource.group_version,
        "metadata": metadata,
        "items": [events.shown(query.resource, each) for each in page],
    }


def _where(store: Store, query: Query, stale: int) -> tuple[int, tuple[str, str]]:
    if query.after:
        return _read_token(query.after)
    version = _number(query.version)
    if version > store.version:
        raise ApiError(504, f"Too large resource version: {version}, current: {store.version}")
    if query.match == "Exact":
        return version, ("", "")
    if query.version == "0" and stale:
        return max(store.version - stale, store._forgotten), ("", "")
    return store.version, ("", "")


def _number(text: str) -> int:
    if text and not text.isdigit():
        raise ApiError(400, f'Invalid value: "{text}": strconv.ParseUint: invalid syntax')
    return int(text or "0")


def _place_of(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _token(version: int, last: Object) -> str:
    said = json.dumps({"v": version, "after": _place_of(last)}).encode()
    return base64.urlsafe_b64encode(said).decode()


def _read_token(text: str) -> tuple[int, tuple[str, str]]:
    try:
        said = json.loads(base64.urlsafe_b64decode(text))
        space, name = said["after"]
        return int(said["v"]), (space, name)
    except (ValueError, KeyError, TypeError) as why:
        raise ApiError(400, "continue key is not valid") from why


async def watched(
    store: Store,
    query: Query,
    *,
    late: Callable[[float], bool],
    expire: Callable[[], bool],
    interval: float,
) -> AsyncIterator[Object]:
    """The events of a watch until its time is over.

    Args:
        store: what is there.
        query: what is watched.
        late: whether a change of a moment may not be told yet.
        expire: whether to break it off with 410 now.
        interval: seconds between bookmarks.

    Yields:
        Events as the client reads them, an ERROR one at the end where the history is gone.
    """
    ending = None if query.timeout is None else monotonic() + query.timeout
    position, first = _begin(store, query)
    for each in first:
        yield each
    woken = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wake() -> None:
        loop.call_soon_threadsafe(woken.set)

    store.listeners.append(wake)
    try:
        marked = monotonic()
        while ending is None or monotonic() < ending:
            woken.clear()
            try:
                if expire():
                    raise expired()
                changes = store.since(position)
            except ApiError as gone:
                yield {"type": "ERROR", "object": gone.status()}
                return
            about = query.resource.place
            held = [each for each in changes if each.key.place == about and late(each.moment)]
            ready = [each for each in changes if not held or each.version < held[0].version]
            for change in ready:
                position = change.version
                if (event := _event(query, change)) is not None:
                    yield event
            if query.bookmarks and monotonic() - marked > interval:
                marked = monotonic()
                yield _bookmark(query, position)
            await _sleep(woken, 0.05 if len(ready) < len(changes) else interval, ending)
        if query.bookmarks:
            yield _bookmark(query, position)
    finally:
        store.listeners.remove(wake)


def _begin(store: Store, query: Query) -> tuple[int, list[Object]]:
    """Where a watch starts, and the objects that it tells of first if it names no version."""
    if query.version not in ("", "0"):
        return _number(query.version), []
    with store.lock:
        items = store.items(query.resource.place, query.namespace)
        shown = [events.shown(query.resource, each) for each in items if query.wanted(each)]
        return store.version, [{"type": "ADDED", "object": each} for each in shown]


async def _sleep(woken: asyncio.Event, interval: float, ending: float | None) -> None:
    rest = interval if ending is None else min(interval, max(0.0, ending - monotonic()))
    try:
        await asyncio.wait_for(woken.wait(), rest)
    except TimeoutError:
        return


def _event(query: Query, change: Change) -> Object | None:
    """A change as this watch sees it: objects enter and leave the selection."""
    if change.key.place != query.resource.place:
        return None
    if query.namespace not in ("", change.key.namespace):
        return None
    before = change.old is not None and query.wanted(change.old)
    after = change.type != "DELETED" and query.wanted(change.new)
    kind = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get(
        (before, after)
    )
    if kind is None:
        return None
    shown = change.new
    if kind == "DELETED" and change.type != "DELETED" and change.old is not None:
        # The server shows what the watcher knew, at the version in which it left.
        metadata = {**change.old["metadata"], "resourceVersion": str(change.version)}
        shown = {**change.old, "metadata": metadata}
    return {"type": kind, "object": events.shown(query.resource, shown)}


def _bookmark(query: Query, version: int) -> Object:
    item = {
        "kind": query.resource.kind,
        "apiVersion": query.resource.group_version,
        "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
    }
    return {"type": "BOOKMARK", "object": item}
