"""Secrets that unlock keys: from the environment, or asked for at the terminal; never elsewhere.

A command line is seen by every process of the machine and kept in histories, so no flag takes a
secret. What was asked for once is kept until the command ends, and never written.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from repo_tools.errors import KeyFileError

PASSPHRASE = "UPDOG_PASSPHRASE"  # noqa: S105 - the name of a variable
PIN = "UPDOG_HSM_PIN"


def ask_at_terminal(question: str) -> str | None:
    """Ask without echo; None where nobody can be asked."""
    return getpass.getpass(question) if sys.stdin.isatty() else None


@dataclass(frozen=True, slots=True)
class Secrets:
    """Where secrets come from.

    Attributes:
        environment: variables by name.
        ask: puts a question to a person; None as answer where there is none.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    ask: Callable[[str], str | None] = ask_at_terminal
    _known: dict[str, str] = field(default_factory=dict, repr=False)

    def passphrase(self, name: str) -> bytes:
        """The passphrase of an encrypted key.

        Args:
            name: what the key is called, such as ``root-1``: ``UPDOG_PASSPHRASE_ROOT_1`` is looked
                for first, then ``UPDOG_PASSPHRASE``.

        Raises:
            KeyFileError: no such variable, and nobody to ask.
        """
        own = f"{PASSPHRASE}_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
        return self._secret((own, PASSPHRASE), f"Passphrase of {name}: ").encode()

    def new_passphrase(self, name: str) -> bytes:
        """A passphrase for a key that is being made; asked for twice at a terminal.

        Raises:
            KeyFileError: none, an empty one, or two that differ.
        """
        first = self.passphrase(name)
        if not first:
            raise KeyFileError("An empty passphrase protects nothing.")
        asked = f"Passphrase of {name}: " in self._known
        if asked and self.ask(f"The same again, for {name}: ") != first.decode():
            raise KeyFileError("The two passphrases differ; nothing was written.")
        return first

    def pin(self, token: str) -> str:
        """The PIN of a hardware token.

        Raises:
            KeyFileError: the variable ``UPDOG_HSM_PIN`` is not set, and nobody to ask.
        """
        return self._secret((PIN,), f"PIN of {token}: ")

    def _secret(self, variables: tuple[str, ...], question: str) -> str:
        for name in variables:
            if name in self.environment:
                return self.environment[name]
        if question not in self._known:
            answer = self.ask(question)
            if answer is None:
                raise KeyFileError(
                    f"{question.rstrip(': ')} is needed, and there is no terminal to ask at.",
                    hint=f"Set {' or '.join(variables)} in the environment.",
                )
            self._known[question] = answer
        return self._known[question]
