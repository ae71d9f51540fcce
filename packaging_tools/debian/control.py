"""What dpkg is told about the package: the control file, checksums, scripts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parents[2] / "packaging/debian"
SCRIPTS = ("postinst", "prerm", "postrm")
UNITS = Path("usr/lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the control file says.

    Attributes:
        version: of the package.
        architecture: Debian's word for it.
        python: major and minor version of the Python that the libraries were built for.
        glibc: the oldest that they run with.
    """

    version: str
    architecture: str
    python: str
    glibc: str


def write_control(root: Path, facts: Facts) -> None:
    """Write the folder ``DEBIAN``; everything else must be in place."""
    folder = root / "DEBIAN"
    files = sorted(_files(root))
    size = sum(-(-root.joinpath(path).lstat().st_size // 1024) for path in files)
    sums = (f"{_md5(root / path)}  {path}\n" for path in files if not (root / path).is_symlink())
    folder.mkdir()
    folder.joinpath("md5sums").write_text("".join(sums))
    folder.joinpath("conffiles").write_text(
        "".join(f"/{path}\n" for path in files if path.startswith("etc/"))
    )
    said = {
        "VERSION": facts.version,
        "ARCHITECTURE": facts.architecture,
        "PYTHON": facts.python,
        "NEXT_PYTHON": _next(facts.python),
        "GLIBC": facts.glibc,
        "INSTALLED_SIZE": str(size),
    }
    folder.joinpath("control").write_text(_filled("control", said))
    for name in SCRIPTS:
        script = folder / name
        script.write_text(_filled(name, units(root / UNITS)))
        script.chmod(0o755)


def units(folder: Path) -> Mapping[str, str]:
    """Which units the scripts name, by what is done to them."""
    names = sorted(path.name for path in folder.iterdir())
    texts = {name: folder.joinpath(name).read_text() for name in names}
    return {
        # What answers or watches all the time; a single run ends by itself.
        "RUNNING": " ".join(name for name, text in texts.items() if _stays(name, text)),
        # Not those of a single run, such as the one that confirms a boot: it cannot be undone. Nor
        # a target: with it would go the services that need it, which are not ours.
        "STOPPED": " ".join(
            name
            for name, text in texts.items()
            if _stays(name, text) or name.endswith((".socket", ".timer"))
        ),
        "ENABLED": " ".join(name for name, text in texts.items() if "[Install]" in text),
    }


def _stays(name: str, text: str) -> bool:
    return name.endswith(".service") and "Type=oneshot" not in text


def _filled(name: str, said: Mapping[str, str]) -> str:
    text = HERE.joinpath(name).read_text()
    for key, value in said.items():
        text = text.replace(f"@{key}@", value)
    return text


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        yield from (str(Path(folder, name).relative_to(root)) for name in names)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _next(python: str) -> str:
    major, minor = python.split(".")
    return f"{major}.{int(minor) + 1}"
