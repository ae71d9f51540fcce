"""People who hold root keys, each with a folder of their own, and the command that they type."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from repo_tools.cli import main

ONLINE = ("targets", "snapshot", "timestamp")
PEOPLE = ("alice", "bob", "carol")


@dataclass(frozen=True)
class Ceremony:
    """Everything in one folder: people, online keys, and the repository."""

    home: Path

    @property
    def draft(self) -> Path:
        return self.home / "root-draft.json"

    @property
    def repository(self) -> Path:
        return self.home / "repository"

    @property
    def online(self) -> Path:
        return self.repository / "keys"

    def key(self, name: str) -> Path:
        return self.home / name / f"{name}.pem"

    def public(self, name: str) -> Path:
        return self.home / f"{name}.pub"

    def run(self, *words: str | Path) -> int:
        return main([str(word) for word in words])

    def do(self, *words: str | Path) -> None:
        assert self.run(*words) == 0, words

    def root(self, action: str, *words: str | Path) -> None:
        self.do("root", action, self.draft, *words)

    def person(self, name: str) -> Path:
        """Make a person's key; the path is that of its public half."""
        self.do("key", "new", self.key(name))
        self.copy_public(self.key(name), self.public(name))
        return self.public(name)

    def copy_public(self, private: Path, public: Path) -> None:
        key = load_pem_private_key(private.read_bytes(), None).public_key()
        public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def first_draft(self, *people: str, threshold: int = 2) -> None:
        """A draft of version 1 with these people's keys and new online keys, unsigned."""
        self.root("init")
        self.root("add-key", "root", *(self.person(name) for name in people or PEOPLE))
        self.root("threshold", "root", str(threshold))
        for role in ONLINE:
            self.do("key", "new", self.online / f"{role}.pem")
            self.root("add-key", role, self.online / f"{role}.pem")

    def sign(self, *people: str) -> None:
        for name in people:
            self.root("sign", "--key", self.key(name), "--yes", *self.last())

    def last(self) -> tuple[str | Path, ...]:
        """How to name the last root, if there is one."""
        return ("--last", self.repository) if (self.repository / "root").is_dir() else ()

    def accept(self) -> None:
        self.do("root", "accept", self.repository, self.draft)
        self.draft.unlink()

    def begin(self) -> None:
        """A repository whose first root two of three people signed."""
        self.first_draft()
        self.sign("alice", "carol")
        self.accept()

    def rotate(self) -> None:
        self.root("rotate", "--last", self.repository)

    def replace_online(self, role: str) -> Path:
        """In the draft, a new key for a role; the old file is kept beside. The old key's file."""
        old = self.home / f"old-{role}.pem"
        shutil.move(self.online / f"{role}.pem", old)
        self.do("key", "new", self.online / f"{role}.pem")
        self.root("remove-key", role, old)
        self.root("add-key", role, self.online / f"{role}.pem")
        return old


@dataclass(frozen=True)
class Apart(Ceremony):
    """The same with a process for each command, as a library that is loaded once may need."""

    def run(self, *words: str | Path) -> int:
        command = [sys.executable, "-m", "repo_tools.cli", *map(str, words)]
        return subprocess.run(command, check=False).returncode
