"""The least of ELF files: kernel modules that say what they need, and libraries that do."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_IDENT = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")


def module(depends: str | None, *said: str) -> bytes:
    """A kernel module with this line of needs, None for none at all, and further lines."""
    lines = ["license=GPL", *([] if depends is None else [f"depends={depends}"]), *said]
    return with_section(".modinfo", "".join(f"{line}\0" for line in lines).encode())


def with_section(name: str, content: bytes) -> bytes:
    """An ELF file with one section of content, and the one of their names."""
    names = b"\0" + name.encode() + b"\0.shstrtab\0"
    start = _FILE_HEADER.size
    table = start + len(content) + len(names)
    sections = (
        _SECTION.pack(*[0] * 10),
        _SECTION.pack(1, 1, 0, 0, start, len(content), 0, 0, 1, 0),
        _SECTION.pack(len(name) + 2, 3, 0, 0, start + len(content), len(names), 0, 0, 1, 0),
    )
    header = _FILE_HEADER.pack(
        _IDENT, 1, 62, 1, 0, 0, table, 0, _FILE_HEADER.size, 0, 0, _SECTION.size, len(sections), 2
    )
    return header + content + names + b"".join(sections)


def module_tree(
    folder: Path,
    modules: Mapping[str, str | None],
    builtin: Sequence[str] = (),
    said: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """A folder like /lib/modules/RELEASE as a kernel's package has it, before depmod.

    Args:
        folder: to make.
        modules: names, and what each depends on.
        builtin: names of those in the kernel itself.
        said: further lines about modules and about what is built in, such as ``softdep=pre: a``.
    """
    said = said or {}
    kernel = folder / "kernel/drivers"
    kernel.mkdir(parents=True)
    for name, depends in modules.items():
        (kernel / f"{name}.ko").write_bytes(module(depends, *said.get(name, ())))
    lines = "".join(f"kernel/fs/{name}.ko\n" for name in builtin)
    (folder / "modules.builtin").write_text(lines)
    about = "".join(f"{name}.{line}\0" for name in builtin for line in said.get(name, ()))
    (folder / "modules.builtin.modinfo").write_text(about)
    return folder
