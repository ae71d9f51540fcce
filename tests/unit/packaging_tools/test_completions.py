"""Completion as real shells do it, from the files that packages install."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
from pathlib import Path
from typing import Self

import pytest

from packaging_tools import completions
from packaging_tools.completions import FOLDERS
from packaging_tools.programs import PROGRAMS

CHECKERS = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "--no-execute"]}

CASES = {
    "a command": ("updog sta", {"status"}),
    "another name of a command": ("updog wha", {"whats"}),
    "a flag": ("updog status --js", {"--json"}),
    "a command after a flag with a value": ("updog --config /x.toml sta", {"status"}),
    "the value of a flag": ("updog update --progress ", {"auto", "json"}),
    "a verb": ("signpost mark-s", {"mark-successful-boot"}),
    "a flag of a verb": ("signpost status --js", {"--json"}),
    "a command below a group": ("updog-repo rollout ex", {"extend", "expedite"}),
    "a flag below a group": ("updog-repo waves simulate --pol", {"--policy", "--poll"}),
    "a flag of a namesake below a group": ("updog-repo root show --la", {"--last"}),
    "an action": ("apiclient update c", {"check", "cancel"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("completion")
    tuple(completions.write(out))
    return out


def run(command: list[str], folder: Path) -> str:
    """Output of a shell that knows nothing of its user."""
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder), "TERM": "dumb"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bash(made: Path, line: str) -> set[str]:
    """Candidates of bash: its function is called as readline would call it."""
    words = line.split(" ")
    script = (
        f"source {made}/bash/{words[0]}\n"
        f"COMP_WORDS=({' '.join(repr(word) for word in words)})\n"
        f"COMP_CWORD={len(words) - 1}\n"
        f"COMP_LINE={line!r}; COMP_POINT={len(line)}\n"
        f"spec=$(complete -p {words[0]}); function=${{spec##*-F }}; function=${{function%% *}}\n"
        "shopt -s extglob\n"
        f'"$function" {words[0]} {words[-1]!r} {words[-2]!r}\n'
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    out = run(["bash", "--norc", "--noprofile", "-c", script], made)
    return {word.strip() for word in out.split()}


def fish(made: Path, line: str) -> set[str]:
    """Candidates of fish, without what it tells of them."""
    name = line.partition(" ")[0]
    out = run(["fish", "-N", "-c", f"source {made}/fish/{name}.fish; complete -C {line!r}"], made)
    return {word.partition("\t")[0] for word in out.splitlines()}


def zsh(made: Path, line: str) -> set[str]:
    """Words that zsh lists at a terminal when it is asked what may follow."""
    with Terminal(["zsh", "-f", "-i"], made) as terminal:
        terminal.ask(f'precmd() {{ PS1="<$((++n))>" }}; fpath=({made}/zsh $fpath)')
        terminal.ask(f"autoload -Uz compinit; compinit -u -d {made}/zcompdump; LISTMAX=9999")
        terminal.ask('bindkey "^T" list-choices; bindkey "^U" kill-whole-line')
        # Ctrl-T lists, Ctrl-U takes the line away again.
        return set(terminal.ask(f"{line}\x14\x15").split())


class Terminal:
    """A shell at a terminal."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._asked = 0
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def ask(self, typed: str) -> str:
        """Type a line; all that is shown until the shell wants the next one."""
        os.write(self._ours, f"{typed}\n".encode())
        self._asked += 1
        shown = b""
        while f"<{self._asked}>".encode() not in shown:
            ready, _, _ = select.select([self._ours], [], [], 60)
            assert ready, shown
            shown += os.read(self._ours, 65536)
        return shown.decode(errors="replace")


@pytest.mark.parametrize("shell", FOLDERS)
def test_shells_accept_the_files(made: Path, shell: str) -> None:
    files = sorted(made.joinpath(shell).iterdir())
    assert len(files) == len(PROGRAMS)
    for path in files:
        run([*CHECKERS[shell], str(path)], made)


@pytest.mark.parametrize("case", CASES)
def test_bash_completes(made: Path, case: str) -> None:
    line, expected = CASES[case]
    assert bash(made, line) == expected


@pytest.mark.parametrize("case", CASES)
def test_fish_completes(made: Path, case: str) -> None:
    line, expected = CASES[case]
    assert fish(made, line) == expected


@pytest.mark.parametrize("case", CASES)
def test_zsh_completes(made: Path, case: str) -> None:
    line, expected = CASES[case]
    assert expected <= zsh(made, line)


def test_files_are_completed_where_files_are_wanted(made: Path) -> None:
    folder = made / "somewhere"
    folder.mkdir(exist_ok=True)
    line = f"updog status --config {made}/some"
    assert {path.rstrip("/") for path in fish(made, line)} == {str(folder)}
    assert {path.rstrip("/") for path in bash(made, line)} == {str(folder)}
