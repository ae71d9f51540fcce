"""Running a chain of migrations on a copy, in a folder of its own; the store is only read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from updog.datastore.collecting import WORK
from updog.datastore.copying import Dress, copy_store, remove_store
from updog.datastore.files import Files, RealFiles
from updog.datastore.reader import Fault, faults
from updog.errors import MigrationError
from updog.migrate.confine import OWN_USER
from updog.migrate.outcome import Way
from updog.migrate.sandbox import Sandbox
from updog.migrate.sealed import Sealed

log = logging.getLogger(__name__)

_SHOWN = 3
_PRIVATE = (0o700, 0o600)


class Programs(Protocol):
    """Where migrations come from."""

    def program(self, name: str) -> Sealed:
        """A migration, checked and ready to run.

        Raises:
            TrustError: it is missing, or not what was signed.
        """


@dataclass(frozen=True, slots=True)
class Tools:
    """What a conversion works with.

    Attributes:
        letters: draws 16 random letters and digits.
        sandbox: how migrations are run.
        files: the file system.
    """

    letters: Callable[[], str]
    sandbox: Sandbox = field(default_factory=Sandbox)
    files: Files = field(default_factory=RealFiles)


class Conversion:
    """One store on its way, as a copy in a folder of its own (see `converting`).

    Attributes:
        result: the folder with what the last migration made, at first the plain copy.
        remarks: what could not be locked, for people.
    """

    def __init__(self, work: Path, programs: Programs, tools: Tools) -> None:
        self.remarks: tuple[str, ...] = ()
        self._work = work
        self._programs = programs
        self._tools = tools
        self._count = 0
        # What was wrong before is no migration's fault, and must not stop a machine from booting.
        self._before = frozenset(faults(self.result))

    @property
    def result(self) -> Path:
        """The newest copy."""
        return self._work / str(self._count)

    def run(self, names: Sequence[str], way: Way) -> None:
        """Run migrations, each on what the one before has made.

        Args:
            names: in the order in which they run.
            way: forward or backward.

        Raises:
            MigrationError: one failed, took too long, or made something that is no data store.
            TrustError: one is missing, or not what was signed.
            OSError: the file system refused.
        """
        for name in names:
            log.info("Running %s %s", name, way)
            with self._programs.program(name) as program:
                self._step(program, way)

    def _step(self, program: Sealed, way: Way) -> None:
        source, target = str(self._count), str(self._count + 1)
        from_there = ("--source-datastore", f"{{work}}/{source}")
        to_there = ("--target-datastore", f"{{work}}/{target}")
        words = (f"--{way}", *from_there, *to_there)
        told = self._tools.sandbox.run(program, self._work, words)
        self.remarks = tuple(dict.fromkeys((*self.remarks, *told)))
        self._count += 1
        self._judge(program.name)
        remove_store(self._work / source, self._tools.files)

    def _judge(self, name: str) -> None:
        found = [fault for fault in faults(self.result) if fault not in self._before]
        if found:
            raise MigrationError(
                f"the migration {name} made something that is no data store: {_listed(found)}",
                hint="The data store is as it was. Start the previous set, and tell the publisher.",
            )


@contextmanager
def converting(store: Path, programs: Programs, tools: Tools) -> Iterator[Conversion]:
    """Copy a store into a folder beside it, for the time of the block.

    The folder belongs to the migrations' own user where there is one, and nobody else may look into
    it: settings hold secrets.

    Raises:
        StoreError: the store cannot be copied.
        OSError: the file system refused.
    """
    work = store.with_name(f"{WORK}{tools.letters()}")
    owner = (OWN_USER, OWN_USER) if os.geteuid() == 0 and tools.sandbox.confined else None
    dress = Dress(owner, *_PRIVATE)
    tools.files.make_folder(work, dress.folder_mode, owner)
    try:
        copy_store(store, work / "0", dress, tools.files, durable=False)
        yield Conversion(work, programs, tools)
    finally:
        _clear_away(work, tools.files)


def _clear_away(work: Path, files: Files) -> None:
    try:
        remove_store(work, files)
    except OSError as error:
        # The next migration tries again; what led here says more.
        log.warning("%s cannot be removed: %s", work, error.strerror)


def _listed(found: Sequence[Fault]) -> str:
    shown = "; ".join(f"{place}: {what}" for place, what in found[:_SHOWN])
    return shown if len(found) <= _SHOWN else f"{shown}; and {len(found) - _SHOWN} more"
