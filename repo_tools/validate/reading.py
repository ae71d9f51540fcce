"""All metadata files of a repository, fetched without believing any of them.

A client stops at the first fault. Here every file is fetched that can be found, so that every fault
can be told at once.
"""

from __future__ import annotations

from repo_tools.findings import Check, Finding
from repo_tools.validate.files import Files, signed_part
from updog.errors import NotThere, UnreachableError, UpdogError
from updog.fetch import Fetcher
from updog.session import RepositoryUrls
from updog.tufnames import role_file, url

LIMIT = 64 << 20
_PAST_THE_END = 3
_MOST_ROOTS = 4096


def read(urls: RepositoryUrls, fetcher: Fetcher, *, first_root: int = 1) -> Files:
    """Fetch every metadata file that can be found.

    Args:
        urls: where.
        fetcher: the way there.
        first_root: version of the root that clients start from: looked for at least so far.

    Raises:
        UnreachableError: nothing answers there at all.
    """
    return _Reader(urls, fetcher).read(first_root)


class _Reader:
    """Fetches, and keeps what went wrong."""

    def __init__(self, urls: RepositoryUrls, fetcher: Fetcher) -> None:
        self._urls = urls
        self._fetcher = fetcher
        self._findings: list[Finding] = []

    def read(self, first_root: int) -> Files:
        roots = self._roots(first_root)
        consistent = signed_part(roots[max(roots)] if roots else None).get("consistent_snapshot")
        names = {"timestamp": "timestamp.json"}
        found = {"timestamp": self._file("timestamp.json")}
        for role, above in (("snapshot", "timestamp"), ("targets", "snapshot")):
            version = _listed(found[above], f"{role}.json")
            names[role] = role_file(role, None if consistent is False else version)
            found[role] = self._file(names[role]) if version is not None else None
        timestamp, snapshot, targets = found.values()
        return Files(roots, timestamp, snapshot, targets, names, tuple(self._findings))

    def _roots(self, first_root: int) -> dict[int, bytes]:
        """Every root, also behind a hole, which no client would ever pass."""
        found: dict[int, bytes] = {}
        for version in range(1, _MOST_ROOTS):
            data = self._maybe(role_file("root", version))
            if data is not None:
                found[version] = data
            elif version >= max(first_root, *found, 0) + _PAST_THE_END:
                break
        return found

    def _file(self, name: str) -> bytes | None:
        data = self._maybe(name)
        if data is None and not any(each.place == name for each in self._findings):
            self._findings.append(Check("metadata", name).error("it is not there"))
        return data

    def _maybe(self, name: str) -> bytes | None:
        try:
            return self._fetcher.get(url(self._urls.metadata, name, {}), max_bytes=LIMIT)
        except NotThere:
            return None
        except UnreachableError:
            raise
        except UpdogError as error:
            self._findings.append(Check("metadata", name).error(str(error)))
            return None


def _listed(above: bytes | None, name: str) -> int | None:
    try:
        version = signed_part(above)["meta"][name]["version"]
    except (KeyError, TypeError):
        return None
    return version if type(version) is int else None
