"""``Release.toml`` and the files of the migrations that it lists (formats 12)."""

from __future__ import annotations

from pathlib import Path

from repo_tools import edits
from repo_tools.edits import ReleaseFile
from repo_tools.errors import ImageError
from repo_tools.imagebuild import SUFFIX
from updog.errors import DataError, UsageError
from updog.manifest import Migrations


def read(path: Path) -> ReleaseFile:
    """What a ``Release.toml`` says.

    Raises:
        UsageError: there is no such file.
        DataError: it is no text.
        ManifestError: it is not a ``Release.toml``.
        OSError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(
            f"There is no file {path}.", hint="Name the Release.toml of the release."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return edits.read_release(text, str(path))


def sources(migrations: Migrations, folder: Path) -> tuple[Path, ...]:
    """The files of the migrations that are listed, each once; others in ``folder`` stay out.

    Args:
        migrations: their target names end in ``.lz4``.
        folder: holds each under its target name, or raw, without the ``.lz4``.

    Raises:
        ImageError: one is not there.
    """
    names = sorted({name for listed in migrations.values() for name in listed})
    return tuple(_source(name, folder) for name in names)


def _source(name: str, folder: Path) -> Path:
    if not name.endswith(SUFFIX):
        raise ImageError(f"The migration {name} must be listed as {name}{SUFFIX}.")
    for candidate in (folder / name, folder / name.removesuffix(SUFFIX)):
        # A name from the file must not lead out of the folder.
        if candidate.parent == folder and candidate.is_file():
            return candidate
    raise ImageError(f"The migration {name} is in {folder} neither as it is nor uncompressed.")
