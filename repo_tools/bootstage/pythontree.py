"""A small Python for an initramfs, taken out of a Debian system or of unpacked Debian packages.

What the boot stage imports is followed statically, so that an error path finds its imports too;
what no path of it can reach is left out by name (`_LEFT_OUT`).
"""

from __future__ import annotations

import importlib.util
import marshal
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from modulefinder import ModuleFinder
from pathlib import Path
from typing import NamedTuple

import partitions
from repo_tools.bootstage import cpio
from repo_tools.bootstage.elf import needs
from repo_tools.errors import ImageError

ENTRY = "partitions.bootstage"
INTERPRETER = "usr/bin/python"
# Python's start needs these by name, and finds its library by the first of them.
_ALWAYS = ("os", "types", "encodings.utf_8", "encodings.latin_1", "encodings.ascii")

# Imported by modules we use, in functions that are not called: documentation tools, debuggers,
# other platforms, other ways to do what we do differently.
_LEFT_OUT = """
_bz2 _hashlib _lzma _pydecimal argparse asyncio base64 bdb bz2 calendar cmd code codeop
concurrent csv ctypes._aix ctypes.macholib ctypes.util ctypes.wintypes datetime decimal
difflib distutils doctest email fractions getopt gettext html http importlib.metadata
importlib.resources json logging lzma mimetypes multiprocessing netrc nturl2path
optparse pdb pickle pkgutil platform pprint py_compile pydoc queue quopri random readline
rlcompleter runpy selectors shutil signal site socket ssl string subprocess sysconfig
tarfile tempfile test threading tkinter tracemalloc unittest urllib.error urllib.request
urllib.response uu webbrowser xml zipfile
"""

_LIBRARY_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64")


class _Module(NamedTuple):
    name: str
    path: Path
    package: bool


@dataclass(frozen=True, slots=True)
class PythonRoot:
    """A file system tree with Debian's ``python3.N-minimal`` and ``libpython3.N-stdlib``.

    Attributes:
        folder: ``/`` or where packages were unpacked.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The version of Python as paths have it; ours, so that compiled modules fit."""
        return f"python{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def library(self) -> Path:
        """The standard library."""
        return self.folder / "usr/lib" / self.name

    def check(self) -> None:
        """See that everything is there.

        Raises:
            ImageError: it is not.
        """
        for path, package in (
            (self._binary, f"{self.name}-minimal"),
            (self.library / "os.py", f"lib{self.name}-minimal"),
            (self.library / "lib-dynload", f"lib{self.name}-stdlib"),
        ):
            if not path.exists():
                raise ImageError(
                    f"{path} is missing: --python-root needs Debian's package {package}.",
                    hint=f"This program runs on {self.name} and takes the same version from there.",
                )

    def entries(self) -> Iterator[cpio.Entry]:
        """Interpreter, modules and libraries, as members of an archive.

        Raises:
            ImageError: a part is missing.
        """
        self.check()
        binaries = {INTERPRETER: self._binary.read_bytes()}
        for module in self._modules():
            if module.path.suffix == ".py":
                yield cpio.file(*self._compiled(module))
            else:
                inside = f"usr/lib/{self.name}/lib-dynload/{module.path.name}"
                binaries[inside] = module.path.read_bytes()
        for path_inside, data in binaries.items():
            yield cpio.file(path_inside, data, executable=True)
        yield from self._libraries(binaries)

    @property
    def _binary(self) -> Path:
        return self.folder / "usr/bin" / self.name

    def _modules(self) -> Iterator[_Module]:
        ours = Path(partitions.__file__).resolve().parents[1]
        # Ours last: beside it may lie backports of what the standard library has.
        search = [str(self.library), str(self.library / "lib-dynload"), str(ours)]
        finder = ModuleFinder(search, excludes=_LEFT_OUT.split())
        for name in (*_ALWAYS, ENTRY):
            finder.import_hook(name)
        for name, found in sorted(finder.modules.items()):
            said = vars(found)
            if said["__file__"] is not None:
                yield _Module(name, Path(said["__file__"]), package=said["__path__"] is not None)

    def _compiled(self, module: _Module) -> tuple[str, bytes]:
        """Where a module goes and its bytecode; without documentation, which nobody reads there."""
        name = module.name.replace(".", "/")
        inside = f"usr/lib/{self.name}/{name}{'/__init__' if module.package else ''}"
        code = compile(
            module.path.read_bytes(), f"/{inside}.py", "exec", dont_inherit=True, optimize=2
        )
        # Version 2 has no references to objects seen before, which depend on what else this
        # process holds: the same source gives the same bytes.
        header = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, 0, 0)
        return f"{inside}.pyc", header + marshal.dumps(code, 2)

    def _libraries(self, binaries: dict[str, bytes]) -> Iterator[cpio.Entry]:
        """The loader, and every library that something needs."""
        wanted: dict[str, bytes] = {}
        waiting = list(binaries.items())
        while waiting:
            name, data = waiting.pop()
            asked = needs(data, name)
            if asked.loader is not None:
                loader = self._found(Path(asked.loader).name)
                yield cpio.file(asked.loader.lstrip("/"), loader.read_bytes(), executable=True)
            for library in asked.libraries:
                if library not in wanted:
                    wanted[library] = self._found(library).read_bytes()
                    waiting.append((library, wanted[library]))
        for library, data in wanted.items():
            yield cpio.file(f"lib/{library}", data, executable=True)

    def _found(self, library: str) -> Path:
        for base in _LIBRARY_FOLDERS:
            folder = self.folder / base
            for path in (folder / library, *sorted(folder.glob(f"*-linux-gnu/{library}"))):
                if path.is_file():
                    return path
        raise ImageError(
            f"{self.folder} has no library {library}, which Python there needs.",
            hint="Unpack the package that it belongs to into the same folder.",
        )
