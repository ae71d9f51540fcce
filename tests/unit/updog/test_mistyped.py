from __future__ import annotations

import argparse
from typing import NoReturn

import pytest

from repo_tools import arguments as publishing
from updog import arguments
from updog.errors import UsageError
from updog.mistyped import SuggestingParser, as_sentence, meant_by


class Told(SuggestingParser):
    """A parser whose errors are easy to look at."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}")


@pytest.fixture
def parser() -> Told:
    made = Told(prog="dog")
    commands = made.add_subparsers(metavar="COMMAND", parser_class=Told)
    fetch = commands.add_parser("fetch")
    fetch.add_argument("--stick", choices=["long", "short"])
    commands.add_parser("sit")
    return made


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fecth", "dog: there is no command 'fecth'; did you mean 'fetch'?"),
        ("meow", "dog: there is no command 'meow'; there are: fetch, sit"),
        ("fetch --stik", "dog fetch: there is no flag '--stik'; did you mean '--stick'?"),
        ("fetch --stik=long", "dog fetch: there is no flag '--stik'; did you mean '--stick'?"),
        ("fetch --bone", "dog fetch: there is no flag '--bone'"),
        ("fetch now please", "dog fetch: nothing is expected where 'now please' stands"),
        ("fetch --stick lnog", "argument --stick: 'lnog' is not possible; did you mean 'long'?"),
        ("fetch --stick 7", "argument --stick: '7' is not possible; there are: long, short"),
    ],
)
def test_what_was_meant_is_named_by_the_command_it_belongs_to(
    parser: Told, line: str, said: str
) -> None:
    with pytest.raises(UsageError) as raised:
        parser.parse_args(line.split())
    assert said in str(raised.value)


def test_what_is_right_is_parsed(parser: Told) -> None:
    assert parser.parse_args(["fetch", "--stick", "long"]) == argparse.Namespace(stick="long")


def test_nothing_is_suggested_for_what_is_like_nothing() -> None:
    assert meant_by("xyzzy", ["update", "status"]) is None


def test_question_ends_without_a_full_stop() -> None:
    assert (as_sentence("is it?"), as_sentence("it is")) == ("is it?", "it is.")


@pytest.mark.parametrize(
    ("line", "said", "help_of"),
    [
        ("statsu", "there is no command 'statsu'; did you mean 'status'?", "updog"),
        ("status --josn", "there is no flag '--josn'; did you mean '--json'?", "updog status"),
        ("--josn status", "there is no flag '--josn'; did you mean '--json'?", "updog status"),
        ("bundle exprot", "there is no action 'exprot'; did you mean 'export'?", "updog bundle"),
    ],
)
def test_updog_names_what_was_meant_and_whose_help_tells_more(
    line: str, said: str, help_of: str
) -> None:
    with pytest.raises(UsageError) as raised:
        arguments.parse(line.split(), {})
    assert str(raised.value) == said
    assert raised.value.hint == f"See '{help_of} --help'."


@pytest.mark.parametrize(
    ("line", "said", "help_of"),
    [
        ("pubish repo", "no command 'pubish'; did you mean 'publish'?", "updog-repo"),
        ("root sgin", "no action 'sgin'; did you mean 'sign'?", "updog-repo root"),
        ("publish repo --dryrun", "'--dryrun'; did you mean '--dry-run'?", "updog-repo publish"),
    ],
)
def test_updog_repo_does_too(
    line: str, said: str, help_of: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        publishing.parser().parse_args(line.split())
    assert raised.value.code == 64
    told = capsys.readouterr().err
    assert said in told
    assert told.endswith(f"See '{help_of} --help'.\n")
