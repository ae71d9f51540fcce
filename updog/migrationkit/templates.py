"""Settings that are made from others by a template in their metadata. PURE."""

from __future__ import annotations

import re
from dataclasses import dataclass

from updog.datastore.errors import StoreError
from updog.datastore.keys import Key
from updog.datastore.tree import Cell, Datum, Tree

TEMPLATE = "template"
"""The metadata that holds a setting's template."""

_PLACE = re.compile(r"\{\{\{?\s*([^{}]+?)\s*\}?\}\}")


@dataclass(frozen=True, slots=True)
class ReplaceTemplate:
    """The newer release makes a setting by another template.

    A value that is what the old template makes becomes what the new one makes; one that somebody
    chose is left alone. ``{{ settings.a.b }}`` stands for the value of a setting; a template that
    does more is replaced without touching the value.

    Attributes:
        key: the setting.
        old: the template of the older release.
        new: the template of the newer release.
    """

    key: str
    old: str
    new: str

    def up(self, tree: Tree) -> Tree:
        """Replace the old template."""
        return self._replaced(tree, self.old, self.new)

    def down(self, tree: Tree) -> Tree:
        """Replace the new template."""
        return self._replaced(tree, self.new, self.old)

    def _replaced(self, tree: Tree, old: str, new: str) -> Tree:
        key = Key.parse(self.key)
        note, setting = Cell(key, TEMPLATE), Cell(key)
        found, value = tree.get(note), tree.get(setting)
        if found is None or found.value != old:
            return tree
        before, after = render(old, tree), render(new, tree)
        made = value is not None and before is not None and value.value == before
        following = Datum.of(after) if made and after is not None else value
        return tree.having({note: Datum.of(new), setting: following})


def render(template: str, tree: Tree) -> str | None:
    """What a template makes of a tree's settings; None where that cannot be told."""
    made = ""
    end = 0
    for match in _PLACE.finditer(template):
        value = _value(match[1], tree)
        if value is None:
            return None
        made += template[end : match.start()] + value
        end = match.end()
    rest = template[end:]
    return None if "{{" in made + rest else made + rest


def _value(name: str, tree: Tree) -> str | None:
    try:
        found = tree.get(Cell(Key.parse(name)))
    except StoreError:
        return None
    if found is None or isinstance(found.value, list):
        return None
    return found.value if isinstance(found.value, str) else found.text
