from __future__ import annotations

import uuid

import pytest

from partitions.guid import NIL, Guid, PartitionType, type_name

ON_DISK = {
    PartitionType.BOOT: "6861636b2074686520706c616e657421",
    PartitionType.ROOT: "6a012655971aa44eb39ab7c8c6ca4502",
    PartitionType.HASH: "af108f5955c956446a997720068a6cea",
    PartitionType.RESERVED: "a5995d0c31d34741baef08e2b855bdc9",
    PartitionType.PRIVATE: "bb0804440beb2843a6e5a29038fad706",
    PartitionType.DATA: "74746f62656c74646861726d61726b73",
    PartitionType.EFI_SYSTEM: "28732ac11ff8d211ba4b00a0c93ec93b",
    PartitionType.EFI_BACKUP: "9ce39cb3000aabb42d11f18f8237a21c",
    PartitionType.BIOS_BOOT: "4861682149646f6e744e656564454649",
}


@pytest.mark.parametrize("kind", list(PartitionType))
def test_each_partition_type_has_its_bytes_on_disk(kind: PartitionType) -> None:
    assert kind.guid.bytes_le.hex() == ON_DISK[kind]


@pytest.mark.parametrize("kind", list(PartitionType))
def test_text_and_bytes_give_the_same_guid(kind: PartitionType) -> None:
    assert Guid.from_text(str(kind.guid)) == Guid.from_bytes(kind.guid.bytes_le)


def test_the_mixed_order_agrees_with_pythons_own() -> None:
    text = "01234567-89ab-cdef-0123-456789abcdef"
    assert Guid.from_text(text).bytes_le == uuid.UUID(text).bytes_le


def test_text_is_read_in_either_case_and_printed_in_lower_case() -> None:
    assert str(Guid.from_text("C12A7328-F81F-11D2-BA4B-00A0C93EC93B")) == (
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c12a7328f81f11d2ba4b00a0c93ec93b",
        "{c12a7328-f81f-11d2-ba4b-00a0c93ec93b}",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93g",
        " c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec9 b",
        "c12a73281-f81-11d2-ba4b-00a0c93ec93b",
    ],
)
def test_text_of_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a GUID"):
        Guid.from_text(text)


def test_a_guid_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes, not 15"):
        Guid.from_bytes(bytes(15))


def test_our_types_have_names_and_others_do_not() -> None:
    assert type_name(PartitionType.PRIVATE.guid) == "PRIVATE"
    assert type_name(NIL) is None
