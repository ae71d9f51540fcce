from __future__ import annotations

import pytest

from partitions.systemdboot.program import HEAD, NoProgram, program_length
from tests.fakes.systemd_boot import efi_program


def length(image: bytes, most: int = 1 << 20) -> int:
    return program_length(lambda at, count: image[at : at + count], most)


@pytest.mark.parametrize("size", [1, 512, 100_000])
def test_the_length_is_that_of_the_program(size: int) -> None:
    program = efi_program(bytes(size))
    assert length(program) == len(program)


def test_a_signature_belongs_to_it() -> None:
    program = efi_program(bytes(5000), signature=b"signed" * 100)
    assert length(program) == len(program)


def test_what_follows_on_the_partition_does_not() -> None:
    program = efi_program(bytes(5000))
    assert length(program + b"\xff" * HEAD) == len(program)


def test_names_of_symbols_belong_to_it() -> None:
    for signature in (b"", b"signed"):
        program = efi_program(bytes(5000), names=b"main\0exit\0", signature=signature)
        assert length(program + bytes(4096)) == len(program)


def test_symbols_behind_the_end_are_refused() -> None:
    program = efi_program(bytes(5000), names=b"main\0")
    with pytest.raises(NoProgram, match="symbols lie behind its end"):
        length(program[:5512], 5512)


@pytest.mark.parametrize(
    "head", [b"", b"MZ", bytes(HEAD), b"MZ" + bytes(HEAD - 2), b"MZ" + b"\xff" * (HEAD - 2)]
)
def test_other_bytes_are_refused(head: bytes) -> None:
    with pytest.raises(NoProgram, match="not an EFI program"):
        length(head)


def test_a_program_longer_than_its_partition_is_refused() -> None:
    with pytest.raises(NoProgram, match="claims 5512 bytes"):
        length(efi_program(bytes(5000)), 5000)
