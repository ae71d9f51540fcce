"""Manual pages from the parsers: ``python -m packaging_tools.manpages OUT``.

Writes OUT/man8/updog.8 and so on. The same sources make the same bytes: the date is that of
``SOURCE_DATE_EPOCH``, or left out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version as distribution_version
from pathlib import Path

from packaging_tools import roff
from packaging_tools.programs import (
    PROGRAMS,
    Entries,
    Program,
    Word,
    flags_of,
    help_text,
    subcommands,
    words,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Write all pages.

    Returns:
        The exit code.
    """
    asked = argparse.ArgumentParser(prog="python -m packaging_tools.manpages")
    asked.add_argument("out", type=Path, metavar="OUT", help="folder; gets man1 and man8")
    for path in write(asked.parse_args(argv).out, os.environ):
        sys.stdout.write(f"{path}\n")
    return 0


def write(out: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """Write all pages, and tell which."""
    for program in PROGRAMS:
        folder = out / f"man{program.section}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{program.name}.{program.section}"
        path.write_text(page(program, _date(environment)), encoding="utf-8")
        yield path


def page(program: Program, date: str = "") -> str:
    """One page.

    Args:
        program: whose.
        date: to be shown, YYYY-MM-DD, or empty.
    """
    parser = program.make()
    version = distribution_version("updog-agent")
    title = f'.TH "{program.name.upper()}" {program.section} "{date}" "updog {version}" "updog"'
    parts = (
        title,
        ".nh\n.ad l",
        roff.section("name"),
        rf"{roff.text(program.name)} \- {roff.text(program.summary)}",
        roff.section("synopsis"),
        _synopsis(program.name, parser, set(), commands=bool(program.verbs)),
        roff.section("description"),
        roff.text(parser.description or ""),
        *_titled("commands", _commands(program, parser)),
        *_titled("options", _entries(parser, {"COMMAND"} if program.verbs else set())),
        *_examples(program, parser),
        roff.section("exit status"),
        *(_exit_code(code.code, code.meaning, code.todo) for code in program.exit_codes),
        *_titled("environment", _named(program.environment)),
        *_titled("files", _named(program.files)),
        roff.section("see also"),
        ",\n".join(_reference(name) for name in program.see_also),
    )
    return "\n".join(part for part in parts if part) + "\n"


def _titled(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A section; none where nothing is in it."""
    for number, line in enumerate(lines):
        if not number:
            yield roff.section(title)
        yield line


def _commands(program: Program, parser: argparse.ArgumentParser) -> Iterator[str]:
    for name, summary in program.verbs:
        yield roff.entry(roff.bold(name), _sentence(summary))
    general = {option for action in flags_of(parser) for option in action.option_strings}
    for word in words(parser):
        if not word.below:
            yield from _command(program, word, general)


def _command(program: Program, word: Word, general: set[str]) -> Iterator[str]:
    yield roff.subsection(" ".join((program.name, *word.path)))
    yield _synopsis(" ".join((program.name, *word.path)), word.parser, general)
    yield ".PP"
    yield roff.text(_sentence(word.parser.description or word.summary))
    if word.aliases:
        yield roff.text(f"Also {', '.join(word.aliases)}.")
    yield from _entries(word.parser, general)


def _entries(parser: argparse.ArgumentParser, leave_out: set[str]) -> Iterator[str]:
    for action in _own(parser, leave_out):
        yield roff.entry(_tag(action), _sentence(help_text(parser, action)))


def _own(parser: argparse.ArgumentParser, leave_out: set[str]) -> Iterator[argparse.Action]:
    """What a command takes, without the flags of every command."""
    for action in flags_of(parser):
        # A command may have a flag of its own under the name of a general one, with its own values.
        names = action.option_strings or [str(action.metavar)]
        if not leave_out.issuperset(names):
            yield action


def _synopsis(
    name: str, parser: argparse.ArgumentParser, leave_out: set[str], *, commands: bool = False
) -> str:
    actions = sorted(_own(parser, leave_out), key=lambda action: not action.option_strings)
    parts = [roff.bold(name), *(_use(action) for action in actions)]
    if subcommands(parser) is not None and not commands:
        parts += [roff.italic("COMMAND"), "[flags]"]
    return "\n".join(parts)


def _use(action: argparse.Action) -> str:
    if not action.option_strings:
        value = roff.italic(_value(action))
        more = r" \.\.\." if action.nargs in {"+", "*"} else ""
        return f"[{value}]{more}" if action.nargs in {"?", "*"} else f"{value}{more}"
    shortest = roff.bold(action.option_strings[0])
    said = shortest if action.nargs == 0 else f"{shortest} {roff.italic(_value(action))}"
    return said if action.required else f"[{said}]"


def _tag(action: argparse.Action) -> str:
    if not action.option_strings:
        return roff.italic(_value(action))
    names = ", ".join(map(roff.bold, action.option_strings))
    return names if action.nargs == 0 else f"{names} {roff.italic(_value(action))}"


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper().replace("_", "-")


def _sentence(said: str) -> str:
    """Help begins small and has no stop; a manual's sentence has both."""
    if not said:
        return ""
    # The name of a command stays as it is typed.
    typed = said.partition(" ")[0].rstrip(":,") != said.partition(" ")[0]
    begun = said if typed else f"{said[0].upper()}{said[1:]}"
    return begun + ("" if said.endswith((".", "…")) else ".")


def _examples(program: Program, parser: argparse.ArgumentParser) -> Iterator[str]:
    """What stands below the flags in help, unless that is the list of commands again."""
    if parser.epilog and not program.verbs:
        pointer = f"Exit codes: see {program.name}({program.section})."
        if said := parser.epilog.replace(pointer, "").strip():
            yield roff.section("notes")
            yield roff.literal(said)


def _exit_code(code: int, meaning: str, todo: str) -> str:
    said = f"{_sentence(meaning)} {_sentence(todo)}".strip()
    return roff.entry(roff.bold(str(code)), said)


def _named(entries: Entries) -> Iterator[str]:
    return (roff.entry(roff.italic(name), said) for name, said in entries)


def _reference(name: str) -> str:
    page_name, _, section = name.rstrip(")").partition("(")
    return f"{roff.bold(page_name)}({section})"


def _date(environment: Mapping[str, str]) -> str:
    told = environment.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(told), UTC).strftime("%Y-%m-%d") if told else ""


if __name__ == "__main__":
    sys.exit(main())
