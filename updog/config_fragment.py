"""A configuration key, and what files said about keys: the first two steps of `updog.config`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from updog.errors import ConfigError

T = TypeVar("T")


class Key(NamedTuple, Generic[T]):
    """One key of the configuration: its dotted name and the reader that checks its value."""

    name: str
    read: Callable[[object], T]


class Fragment(NamedTuple):
    """What was said: raw values by dotted key name, each with the file that said it."""

    said: Mapping[str, tuple[object, Path]]

    def under(self, newer: Fragment) -> Fragment:
        """This fragment with `newer` laid over it, key by key."""
        return Fragment({**self.said, **newer.said})

    def get(self, key: Key[T], default: T) -> T:
        """The checked value of `key`, or `default` where no file said anything.

        Raises:
            ConfigError: the value breaks the key's rule; names file and key.
        """
        if key.name not in self.said:
            return default
        value, source = self.said[key.name]
        try:
            return key.read(value)
        except ValueError as error:
            raise ConfigError(f"{source}: {key.name}: {error}") from error
        except RecursionError as error:  # showing what is nested without end
            raise ConfigError(f"{source}: {key.name} is nested too deeply.") from error
