"""A JSON or TOML tree that is walked with suspicion: strict parsing, bounds, and paths in messages.

`load` takes any bytes and refuses what strict JSON does not allow and other readers may understand
differently: other encodings than UTF-8, NaN and Infinity, half a surrogate pair, objects that name
a member twice. `Node` is a value with its path; each step down checks kind and count, so whoever
reads a schema writes only the schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from updog.errors import ManifestError
from waves.duration import quoted

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of a document; a published manifest has a few hundred for each update."""

MAX_DEPTH = 32
"""Nested arrays and objects; the manifest's schema needs five."""

MAX_ENTRIES = 10_000
"""Members of one array or object that is read; what is ignored is bounded by the size alone."""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
_Kind = TypeVar("_Kind", dict[str, Any], list[Any], str)


class _Repeating(dict[str, Any]):
    """An object that named a member twice; kept until its path is known."""

    twice = ""


class _Number:
    """A number that was not converted: no member of the schema is one."""


_NUMBER = _Number()
_KINDS = {
    dict: "an object",
    _Repeating: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    _Number: "a number",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the tree and where it stands, such as ``manifest.json: $.updates[0].version``."""

    value: object
    path: str

    def fault(self, what: str) -> ManifestError:
        """The error to raise for this value."""
        return ManifestError(f"{self.path}: {what}")

    def members(self) -> Iterator[tuple[str, Node]]:
        """The members of an object whose names are data.

        Raises:
            ManifestError: not an object, or more than `MAX_ENTRIES` members.
        """
        table = self._of_kind(dict)
        self._bounded(len(table))
        for key, value in table.items():
            yield key, Node(value, self.path + _step(key))

    def member(self, name: str) -> Node:
        """The member of an object whose names are fixed; all others are ignored.

        Raises:
            ManifestError: not an object, or it has no such member.
        """
        table = self._of_kind(dict)
        if name not in table:
            raise self.fault(f"the member {name!r} is missing")
        return Node(table[name], self.path + _step(name))

    def elements(self) -> Iterator[Node]:
        """The elements of an array.

        Raises:
            ManifestError: not an array, or more than `MAX_ENTRIES` elements.
        """
        array = self._of_kind(list)
        self._bounded(len(array))
        for index, value in enumerate(array):
            yield Node(value, self.path + _step(index))

    def text(self) -> str:
        """The string.

        Raises:
            ManifestError: not a string.
        """
        return self._of_kind(str)

    def _of_kind(self, kind: type[_Kind]) -> _Kind:
        if isinstance(self.value, kind):
            return self.value
        found = _KINDS.get(type(self.value), type(self.value).__name__)
        raise self.fault(f"expected {_KINDS[kind]}, found {found}")

    def _bounded(self, count: int) -> None:
        if count > MAX_ENTRIES:
            raise self.fault(f"{count} entries, more than the {MAX_ENTRIES} allowed")


def _step(key: str | int) -> str:
    """One step of a JSON path, never longer than a line however long the key is."""
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN.fullmatch(key) else f"[{quoted(key)}]"


def load(data: bytes, path: str) -> Node:
    """The root of the JSON document in ``data``.

    Numbers are never converted: no schema here has one, and their digits may be endless.

    Args:
        data: any bytes at all.
        path: what the document and its root are called in messages.

    Raises:
        ManifestError: larger than `MAX_BYTES`, deeper than `MAX_DEPTH`, or not strict JSON.
    """
    root = Node(None, path)
    if len(data) > MAX_BYTES:
        raise root.fault(f"{len(data)} bytes, more than the {MAX_BYTES} allowed")
    try:
        tree = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=lambda _digits: _NUMBER,
            parse_float=lambda _digits: _NUMBER,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise root.fault(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise root.fault(f"not JSON in UTF-8: {error}") from None
    try:
        _check(tree, MAX_DEPTH)
    except _Flaw as flaw:
        inside = "".join(map(_step, reversed(flaw.steps)))
        raise Node(None, path + inside).fault(str(flaw)) from None
    return Node(tree, path)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            repeating = _Repeating()
            repeating.twice = name
            return repeating
        members[name] = value
    return members


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


class _Flaw(Exception):
    """Something the tree must not hold; gathers its path on the way out, innermost step first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.steps: list[str | int] = []


def _check(value: object, levels: int) -> None:
    """Refuse what only shows in the whole tree: repeated members, depth, halves of surrogates.

    Paths are made for flaws only: a large document has millions of values and, mostly, none.
    """
    if isinstance(value, str):
        _check_text(value)
        return
    if levels == 0:
        raise _Flaw(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, _Repeating):
        raise _Flaw(f"the member {quoted(value.twice)} is named twice")
    for key, inner in _entries(value):
        if isinstance(key, str):
            _check_text(key)
        if isinstance(inner, str | dict | list):
            try:
                _check(inner, levels - 1)
            except _Flaw as flaw:
                flaw.steps.append(key)
                raise


def _entries(value: object) -> Iterable[tuple[str | int, object]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Flaw(f"{quoted(text)} holds half of a surrogate pair") from None
