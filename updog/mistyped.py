"""What may have been meant by a word of a command line that is not one. PURE."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

_FLAG = "-"


class SuggestingParser(argparse.ArgumentParser):
    """A parser that names what was meant, and the command whose help tells more.

    A flag that a command does not know is that command's error: argparse would let the program
    complain, whose help says nothing of it.
    """

    def parse_known_args(  # type: ignore[override]  # the overloads say no more than this
        self,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401 - as in argparse
    ) -> tuple[Any, list[str]]:
        """Parse; whatever is left over is an error."""
        known, left = super().parse_known_args(args, namespace)
        if left:
            self.error(self._unknown(left))
        return known, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:  # noqa: ANN401 - the same
        if action.choices is None or value in action.choices:
            return
        choices = [str(each) for each in action.choices]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - it has no other name
            what = str(action.metavar or "command").lower()
            self.error(f"there is no {what} {value!r}{or_else(str(value), choices)}")
        raise argparse.ArgumentError(
            action, f"{value!r} is not possible{or_else(str(value), choices)}"
        )

    def _unknown(self, left: Sequence[str]) -> str:
        flag = next((word.partition("=")[0] for word in left if word.startswith(_FLAG)), None)
        if flag is None:
            return f"nothing is expected where {' '.join(left)!r} stands"
        meant = meant_by(flag, self._option_string_actions)
        return f"there is no flag {flag!r}" + (f"; did you mean {meant!r}?" if meant else "")


def or_else(word: str, known: Sequence[str]) -> str:
    """The end of a message about ``word``: what was meant, or all there is."""
    meant = meant_by(word, known)
    return f"; did you mean {meant!r}?" if meant else f"; there are: {', '.join(known)}"


def meant_by(word: str, known: Iterable[str]) -> str | None:
    """The known word that is much like ``word``; None if there is none."""
    import difflib  # noqa: PLC0415 - start-up: only a mistake needs it

    return next(iter(difflib.get_close_matches(word, known, 1)), None)


def as_sentence(message: str) -> str:
    """A message with its full stop, unless it ends with a question."""
    return message if message.endswith(("?", ".")) else f"{message}."
