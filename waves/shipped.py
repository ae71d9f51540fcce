"""The policies that come with the package."""

from __future__ import annotations

from importlib.resources import files

from waves.duration import quoted
from waves.errors import WaveError
from waves.policy import Policy, parse_policy

_NAMES = ("default", "accelerated", "slow-roll", "emergency")


def names() -> tuple[str, ...]:
    """The names that `read_shipped` knows, the usual one first."""
    return _NAMES


def read_shipped(name: str) -> Policy:
    """The shipped policy of that name.

    Raises:
        WaveError: there is none; the message lists those there are.
    """
    # Looked up before a path is made of it: a name is not a way into the file system.
    if name not in _NAMES:
        raise WaveError(f"there is no shipped policy {quoted(name)}; there are {', '.join(_NAMES)}")
    resource = files("waves") / "policies" / f"{name}.toml"
    return parse_policy(resource.read_text(encoding="utf-8"), resource.name)
