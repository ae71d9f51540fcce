"""The files of the package, where Debian wants them."""

from __future__ import annotations

import gzip
import re
import shutil
import textwrap
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packaging_tools.wheel import console_scripts

HERE = Path(__file__).resolve().parents[2] / "packaging/debian"
FOLDERS = (
    "etc/updog.d",
    *(f"etc/updog/check/{name}.d" for name in ("required", "wanted", "before", "after")),
)
COMMANDS = ("apiclient", "signpost", "updog", "updog-repo")
"""Those that work with the libraries of the package."""
COMPLETION = {
    "bash": "usr/share/bash-completion/completions",
    "zsh": "usr/share/zsh/vendor-completions",
    "fish": "usr/share/fish/vendor_completions.d",
}
SCRIPT = """\
#!/usr/lib/updog/bin/python3 -I
import sys

from {module} import {function}

sys.exit({function}())
"""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things go.

    Attributes:
        root: the folder that stands for ``/``.
        version: major and minor version of Python.
    """

    root: Path
    version: tuple[int, ...]

    @property
    def python(self) -> str:
        """Such as ``3.11``."""
        return ".".join(map(str, self.version))

    @property
    def home(self) -> Path:
        """The private environment."""
        return self.root / "usr/lib/updog"

    @property
    def site(self) -> Path:
        """Its libraries."""
        return self.home / f"lib/python{self.python}/site-packages"

    def at(self, place: str) -> Path:
        """A file of the package, whose folder is made."""
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def lay_out(layout: Layout, wheel: Path, source: Path, epoch: int) -> str:
    """Put everything of ours in its place; the libraries are there already.

    Args:
        layout: where.
        wheel: our wheel.
        source: the source tree.
        epoch: the time of the build, in seconds from 1970.

    Returns:
        The version, as Debian writes it.
    """
    _environment(layout)
    version = _unpack(wheel, layout)
    for name in sorted(path.name for path in source.glob("packaging/systemd/*.*")):
        _copy(source / "packaging/systemd" / name, layout.at(f"usr/lib/systemd/system/{name}"))
    _copy(HERE / "updog.toml", layout.at("etc/updog.toml"))
    check = layout.at("etc/updog/check/required.d/10-settings")
    _copy(source / "packaging/checks" / check.name, check)
    check.chmod(0o755)
    for folder in FOLDERS:
        layout.root.joinpath(folder).mkdir(parents=True, exist_ok=True)
    _documents(layout, source, version, epoch)
    return version


def add_manual(layout: Layout, made: Path) -> None:
    """Put pages of the manual in place: folders ``man8`` and so on."""
    for page in sorted(made.glob("man*/*")):
        if page.stem in COMMANDS:
            _compress(
                page.read_bytes(), layout.at(f"usr/share/man/{page.parent.name}/{page.name}.gz")
            )


def add_completion(layout: Layout, made: Path) -> None:
    """Put files for the completion of shells in place: a folder for each shell."""
    for shell, folder in COMPLETION.items():
        for file in sorted(made.joinpath(shell).iterdir()):
            if file.stem.removeprefix("_") in COMMANDS:
                _copy(file, layout.at(f"{folder}/{file.name}"))


def _environment(layout: Layout) -> None:
    """An environment as `python -m venv` makes it, on Debian's Python."""
    layout.at("usr/lib/updog/bin/python3").symlink_to("../../../bin/python3")
    text = "home = /usr/bin\ninclude-system-site-packages = false\n"
    layout.at("usr/lib/updog/pyvenv.cfg").write_text(text)


def _unpack(wheel: Path, layout: Layout) -> str:
    """Our packages and commands; the version."""
    with zipfile.ZipFile(wheel) as archive:
        ours = [name for name in archive.namelist() if ".data/" not in name]
        archive.extractall(layout.site, [name for name in ours if not name.endswith("/RECORD")])
    (facts,) = layout.site.glob("updog_agent-*.dist-info")
    commands = console_scripts(wheel)
    for name in COMMANDS:
        path = layout.at(f"usr/bin/{name}")
        text = SCRIPT.format(module=commands[name].module, function=commands[name].attr)
        path.write_text(text)
        path.chmod(0o755)
    (said,) = re.findall(r"^Version: (.+)", (facts / "METADATA").read_text(), re.MULTILINE)
    return debian_version(said)


def debian_version(version: str) -> str:
    """A version of Python's kind as Debian writes it: what comes before a release sorts before it.

    The last part counts the builds of one release; a change of packaging alone raises it.
    """
    return re.sub(r"\.?(a|b|rc|dev)(?=\d)", r"~\1", version) + "-1"


def _documents(layout: Layout, source: Path, version: str, epoch: int) -> None:
    folder = "usr/share/doc/updog-agent"
    licence = source.joinpath("LICENSE-MIT").read_text().split("\n\n", 2)[2]
    quoted = textwrap.indent(re.sub(r"\n\n", "\n.\n", licence.rstrip()), " ")
    text = HERE.joinpath("copyright").read_text().replace("@MIT@", quoted)
    layout.at(f"{folder}/copyright").write_text(text)
    when = datetime.fromtimestamp(epoch, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    entry = (
        f"updog-agent ({version}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n"
        f" -- The updog developers <maintainers@updog.invalid>  {when}\n"
    )
    _compress(entry.encode(), layout.at(f"{folder}/changelog.Debian.gz"))
    _compress((source / "CHANGELOG.md").read_bytes(), layout.at(f"{folder}/changelog.gz"))
    _copy(source / "README.md", layout.at(f"{folder}/README.md"))
    pages = [path.relative_to(source) for path in source.glob("docs/**/*.md")]
    for page in sorted(pages):
        _copy(source / page, layout.at(f"{folder}/{page}"))
    overrides = layout.at("usr/share/lintian/overrides/updog-agent")
    _copy(HERE / "lintian-overrides", overrides)


def _copy(source: Path, place: Path) -> None:
    shutil.copyfile(source, place)


def _compress(content: bytes, place: Path) -> None:
    """Without name and time, so that two builds are equal; as small as gzip can, as Debian asks."""
    place.write_bytes(gzip.compress(content, 9, mtime=0))
