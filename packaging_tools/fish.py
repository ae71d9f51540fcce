"""Completion for fish; shtab, which makes it for bash and zsh, does not know that shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging_tools.programs import Entries, Program, Word, flags_of, help_text, words

_WHERE = """\
# Whether the words typed so far, without flags and their values, begin with those given; with
# 'only' first, whether they are those and no more. Other names of a word follow it after '|'.
function {where}
    set -l only no
    if test "$argv[1]" = only
        set only yes
        set -e argv[1]
    end
    set -l typed
    set -l value no
    for token in (commandline -opc)[2..-1]
        if test $value = yes
            set value no
        else if contains -- $token {valued}
            set value yes
        else if not string match -q -- '-*' $token
            set -a typed $token
        end
    end
    if test $only = yes; and test (count $typed) -ne (count $argv)
        return 1
    end
    for place in (seq (count $argv))
        contains -- "$typed[$place]" (string split '|' $argv[$place]); or return 1
    end
end
"""


def completion(program: Program) -> str:
    """The file for ``vendor_completions.d``."""
    parser = program.make()
    known = tuple(words(parser))
    where = f"__{program.name.replace('-', '_')}_at"
    script = _Script(program.name, where)
    lines = [
        f"# Completion of {program.name}; made from its parser.",
        _WHERE.format(where=where, valued=" ".join(_valued([parser, *(w.parser for w in known)]))),
        f"complete -c {program.name} -f",
        *script.flags(parser, "", named=bool(program.verbs)),
        *script.offers(program.verbs, ()),
    ]
    for group in ((), *(_typed(word) for word in known if word.below)):
        lines += script.offers(_below(known, group), group)
    for word in known:
        lines += script.flags(word.parser, script.inside(_typed(word)))
    return "\n".join(lines) + "\n"


class _Script:
    """The lines about one program.

    Args:
        name: of the program.
        where: the function of the script that tells where on the line we are.
    """

    def __init__(self, name: str, where: str) -> None:
        self._name = name
        self._where = where

    def inside(self, path: tuple[str, ...]) -> str:
        """The condition that a command was typed."""
        return " ".join((self._where, *map(_quoted, path)))

    def offers(self, said: Entries, path: tuple[str, ...]) -> Iterator[str]:
        """Offer words after others."""
        condition = " ".join((self._where, "only", *map(_quoted, path)))
        for word, summary in said:
            yield self._line(condition, f"-a {word} -d {_quoted(summary)}")

    def flags(
        self, parser: argparse.ArgumentParser, condition: str, *, named: bool = False
    ) -> Iterator[str]:
        """Offer flags and values of a command; not its arguments, if they were named already."""
        for action in flags_of(parser):
            value = _value(action)
            if action.option_strings:
                names = " ".join(map(_flag, action.option_strings))
                told = _quoted(help_text(parser, action))
                yield self._line(condition, f"{names}{value} -d {told}")
            elif value and not named:
                yield self._line(condition, value.strip())

    def _line(self, condition: str, rest: str) -> str:
        where = f" -n {_quoted(condition)}" if condition else ""
        return f"complete -c {self._name}{where} {rest}"


def _below(known: Iterable[Word], group: tuple[str, ...]) -> Entries:
    here = (word for word in known if _typed(word)[:-1] == group)
    return tuple((name, word.summary) for word in here for name in (word.path[-1], *word.aliases))


def _typed(word: Word) -> tuple[str, ...]:
    """The words of a command, the last one with its other names."""
    *above, last = word.path
    return (*above, "|".join((last, *word.aliases)))


def _valued(parsers: Iterable[argparse.ArgumentParser]) -> list[str]:
    """Flags that take the next word, whatever the command."""
    actions = [action for parser in parsers for action in flags_of(parser)]
    alone = {option for a in actions if a.nargs == 0 for option in a.option_strings}
    return sorted({o for a in actions if a.nargs != 0 for o in a.option_strings} - alone)


def _flag(option: str) -> str:
    return f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"


def _value(action: argparse.Action) -> str:
    """How the value of a flag, or an argument, is completed."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        only = " -x" if action.option_strings else ""
        return f"{only} -a {_quoted(' '.join(map(str, action.choices)))}"
    if action.type is Path:
        return f"{' -r' if action.option_strings else ''} -F"
    return " -x" if action.option_strings else ""


def _quoted(said: str) -> str:
    return "'" + said.replace("\\", "\\\\").replace("'", "\\'") + "'"
