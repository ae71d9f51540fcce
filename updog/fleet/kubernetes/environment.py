"""Values out of environment variables. PURE: the environment comes in.

A value that cannot be understood is told with the name of its variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

from updog.errors import ConfigError

Value = TypeVar("Value")

HUNDRED = 100
HIGHEST_PORT = 65535
NEVER = frozenset({"never", "unlimited"})


class Reader:
    """Reads variables; an empty one counts as not set.

    Args:
        environment: the variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        """A variable as it is."""
        return self._environment.get(name, "").strip() or default

    def value(self, name: str, default: str, parse: Callable[[str], Value]) -> Value:
        """A variable as a value.

        Raises:
            ConfigError: it means nothing.
        """
        said = self.text(name, default)
        try:
            return parse(said)
        except ValueError as error:
            raise ConfigError(
                f"{name}: {error}.", hint="It is set in the manifest or the chart's values."
            ) from error

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds."""
        return self.value(name, str(default), seconds_of)

    def span(self, name: str, default: float) -> timedelta:
        """The same as a span of time."""
        return timedelta(seconds=self.seconds(name, default))


def seconds_of(text: str) -> float:
    """A number of seconds, at most a year.

    Raises:
        ValueError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= timedelta(days=365).total_seconds():
        raise ValueError(f"{text!r} is no number of seconds")
    return value


def count(text: str) -> int:
    """A whole number above 0.

    Raises:
        ValueError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(f"{text!r} is no number above 0")
    return int(text)


def count_or_never(text: str) -> int | None:
    """The same, or None for never.

    Raises:
        ValueError: it is none.
    """
    return None if text.lower() in NEVER else count(text)


def percent_or_never(text: str) -> int | None:
    """So many of a hundred, or None for never.

    Raises:
        ValueError: it is none.
    """
    found = count_or_never(text.removesuffix("%"))
    if found is not None and found > HUNDRED:
        raise ValueError(f"{text!r} is more than all")
    return found


def port(text: str) -> int:
    """A port; 0 for none.

    Raises:
        ValueError: it is none.
    """
    if not (text.isascii() and text.isdigit() and int(text) <= HIGHEST_PORT):
        raise ValueError(f"{text!r} is no port")
    return int(text)
