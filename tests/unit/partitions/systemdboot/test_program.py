from __future__ import annotations

import pytest

from partitions.systemdboot.program import HEAD, NoProgram, program_length
from tests.fakes.systemd_boot import efi_program


@pytest.mark.parametrize("size", [1, 512, 100_000])
def test_the_length_is_that_of_the_program(size: int) -> None:
    program = efi_program(bytes(size))
    assert program_length(program[:HEAD], 1 << 20) == len(program)


def test_a_signature_belongs_to_it() -> None:
    program = efi_program(bytes(5000), signature=b"signed" * 100)
    assert program_length(program[:HEAD], 1 << 20) == len(program)


def test_what_follows_on_the_partition_does_not() -> None:
    program = efi_program(bytes(5000))
    assert program_length((program + b"\xff" * HEAD)[:HEAD], 1 << 20) == len(program)


@pytest.mark.parametrize(
    "head", [b"", b"MZ", bytes(HEAD), b"MZ" + bytes(HEAD - 2), b"MZ" + b"\xff" * (HEAD - 2)]
)
def test_other_bytes_are_refused(head: bytes) -> None:
    with pytest.raises(NoProgram, match="not an EFI program"):
        program_length(head, 1 << 20)


def test_a_program_longer_than_its_partition_is_refused() -> None:
    with pytest.raises(NoProgram, match="claims 5512 bytes"):
        program_length(efi_program(bytes(5000))[:HEAD], 5000)
