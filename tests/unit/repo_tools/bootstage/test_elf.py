from __future__ import annotations

from pathlib import Path

import pytest

from repo_tools.bootstage.elf import module_info, needs
from repo_tools.errors import ImageError
from tests.fakes.elf import module, with_section

SHELL = Path("/bin/sh")


def test_a_program_names_its_loader_and_libraries() -> None:
    found = needs(SHELL.read_bytes(), "sh")
    assert found.loader is not None
    assert Path(found.loader).name.startswith("ld-linux")
    assert "libc.so.6" in found.libraries


def test_a_file_that_needs_nothing() -> None:
    found = needs(with_section(".text", b"x"), "x")
    assert found.loader is None
    assert found.libraries == ()


@pytest.mark.parametrize(
    ("depends", "names"),
    [("", ()), (None, ()), ("a", ("a",)), ("dm-mod,dm_bufio", ("dm_mod", "dm_bufio"))],
)
def test_a_module_says_what_it_needs(depends: str | None, names: tuple[str, ...]) -> None:
    assert module_info(module(depends), "m.ko").depends == names


@pytest.mark.parametrize(
    ("lines", "before"),
    [
        ((), ()),
        (("softdep=pre: crc32c",), ("crc32c",)),
        (("softdep=pre: sha256", "softdep=pre: blake2b-256"), ("sha256", "blake2b_256")),
        (("softdep=pre: a b post: c pre: d",), ("a", "b", "d")),
        (("softdep=post: late",), ()),
        (("softdep=gcm",), ()),  # says neither: depmod passes over it too
        (("softdep=",), ()),
    ],
)
def test_a_module_says_what_should_be_there_before_it(
    lines: tuple[str, ...], before: tuple[str, ...]
) -> None:
    assert module_info(module("", *lines), "m.ko").before == before


def test_a_module_says_which_names_it_answers_to() -> None:
    said = module_info(module("", "alias=crc32c", "alias=crypto-crc32c"), "m.ko")
    assert said.aliases == ("crc32c", "crypto_crc32c")


def test_what_is_no_elf_file_is_refused() -> None:
    with pytest.raises(ImageError, match=r"x\.ko is not an ELF file"):
        module_info(b"#!/bin/sh\n" + bytes(100), "x.ko")


def test_a_program_is_no_module() -> None:
    with pytest.raises(ImageError, match=r"no section \.modinfo"):
        module_info(with_section(".text", b"x"), "x.ko")


@pytest.mark.parametrize("keep", [60, 200, 4000])
def test_a_cut_file_is_refused(keep: int) -> None:
    with pytest.raises(ImageError, match=r"sh is (a damaged ELF file|not an ELF file)"):
        needs(SHELL.read_bytes()[:keep], "sh")


def test_a_cut_module_is_refused() -> None:
    with pytest.raises(ImageError, match="damaged"):
        module_info(module("a")[:-100], "m.ko")
