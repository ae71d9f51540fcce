"""A host whose data store is to be migrated, with the repository cached for it, as files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import lz4.frame

from tests.fakes.repository import FakeRepository
from tests.fakes.stores import place_store, tree
from updog.datastore.files import Files, RealFiles
from updog.datastore.links import read_chain
from updog.datastore.reader import read_store
from updog.datastore.tree import Store
from updog.manifest import Manifest, dump
from updog.migrate.cached import CachedRepository
from updog.migrate.conversion import Tools
from updog.migrate.sandbox import Sandbox
from updog.settings import Paths
from updog.version import Version

COPY = 'cp -R --no-preserve=all "$3" "$5"\n'
"""The end of most migrations here: the target is the source, changed."""


def script(*lines: str) -> bytes:
    """A migration in shell: ``$1`` is the way, ``$3`` the source, ``$5`` the target."""
    return "\n".join(["#!/bin/sh", "set -e", COPY, 'cd "$5/live"', *lines, ""]).encode()


def appends(word: str) -> bytes:
    """A migration that adds a word to the list in ``settings.log``, and takes it off again."""
    return script(
        "old=$(cat settings/log); old=${old%]}",
        f'new="$old, \\"{word}\\"]"; back="${{old%, \\"{word}\\"}}]"',
        '[ "$1" = --forward ] && printf %s "$new" >settings/log || printf %s "$back" >settings/log',
    )


def log_of(store: Store) -> object:
    """What `appends` wrote."""
    return {str(cell): datum.value for cell, datum in store.live.cells.items()}["settings.log"]


LOG = Store(tree(settings__log=["start"], settings__motd="hello"))


@dataclass
class MigrationWorld:
    """Everything below `home`: data store, caches, trusted root, configuration."""

    home: Path
    repo: FakeRepository = field(default_factory=FakeRepository)
    drawn: int = 0

    @property
    def paths(self) -> Paths:
        return Paths(
            state_dir=self.home / "state",
            lock=self.home / "lock",
            trusted_root=self.home / "root.json",
            os_release=self.home / "os-release",
            migrations_dir=self.home / "migrations",
            metadata_cache_dir=self.home / "metadata",
            datastore=self.home / "datastore" / "current",
        )

    def place(self, version: str, store: Store = LOG) -> None:
        """Give the host a data store."""
        place_store(self.paths.datastore.parent, version, store, letters=self.letters())

    def publish(
        self, edges: Mapping[str, Iterable[str]], programs: Mapping[str, bytes] | None = None
    ) -> None:
        """Cache a repository; edges are written ``1.0.0>1.1.0``; programs append their name."""
        found = {}
        for key, names in edges.items():
            start, end = map(Version.parse, key.split(">"))
            found[start, end] = tuple(names)
            for name in found[start, end]:
                program = (programs or {}).get(name) or appends(name)
                self.repo.add_target(name, lz4.frame.compress(program))
        self.repo.add_target("manifest.json", dump(Manifest((), found)))
        self.repo.publish()
        self.save()

    def save(self) -> None:
        """Write what `updog.session.Session.cache` would have written."""
        self.paths.trusted_root.write_bytes(self.repo.shipped_root())
        places = {"metadata": self.paths.metadata_cache_dir, "targets": self.paths.migrations_dir}
        for path, content in self.repo.files.items():
            kind, _, name = path.partition("/")
            places[kind].mkdir(exist_ok=True)
            (places[kind] / name).write_bytes(content)

    def configure(self, running: str, **extra: str) -> Path:
        """Write os-release and a configuration, and return its path."""
        self.paths.os_release.write_text(f"VERSION_ID={running}\nVARIANT_ID=edge-gw\n")
        lines = ['metadata_base_url = "file:///nowhere"', 'targets_base_url = "file:///nowhere"']
        lines += [f"{name} = {value}" for name, value in extra.items()]
        lines += ["[paths]"]
        lines += [
            f"{name} = {json.dumps(str(path))}" for name, path in self.paths._asdict().items()
        ]
        config = self.home / "updog.toml"
        config.write_text("\n".join(lines))
        return config

    def open(self) -> CachedRepository:
        paths = self.paths
        return CachedRepository(paths.trusted_root, paths.metadata_cache_dir, paths.migrations_dir)

    def tools(self, files: Files | None = None, sandbox: Sandbox | None = None) -> Tools:
        return Tools(self.letters, sandbox or Sandbox(30, confined=False), files or RealFiles())

    def letters(self) -> str:
        """No two alike; not random, so that a failure can be played again."""
        self.drawn += 1
        return f"{self.drawn:016d}"

    @property
    def version(self) -> str:
        chain = read_chain(self.paths.datastore)
        assert chain is not None
        return str(chain.version)

    @property
    def store(self) -> Store:
        chain = read_chain(self.paths.datastore)
        assert chain is not None
        return read_store(chain.folder)

    @property
    def log(self) -> object:
        return log_of(self.store)

    def names(self) -> set[str]:
        """What lies in the folder of the data store."""
        return {path.name for path in self.paths.datastore.parent.iterdir()}
