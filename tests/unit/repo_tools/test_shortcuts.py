from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from lz4 import frame

from repo_tools.draft import Draft
from repo_tools.errors import DraftError, ImageError
from repo_tools.repository import Repository
from tests.fakes.images import image
from tests.fakes.release_images import ROOTS, ReleaseImages, make_release
from tests.fakes.repositories import EDITION, new_repository
from updog.blockmap import BLOCK, Codec, parse
from updog.deltaformat import HEADER_LENGTH, parse_header
from updog.errors import UsageError
from updog.pipeline.formats import Format
from updog.version import Version

V1, V2 = Version.parse("1.1.0"), Version.parse("1.2.0")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return new_repository(tmp_path / "repository")


@pytest.fixture
def old(tmp_path: Path) -> ReleaseImages:
    return make_release(tmp_path / "images", "1.1.0")


@pytest.fixture
def new(tmp_path: Path) -> ReleaseImages:
    return make_release(tmp_path / "images", "1.2.0")


@pytest.fixture
def draft(repository: Repository) -> Draft:
    return repository.draft(EDITION)


def shortcut_files(draft: Draft) -> set[str]:
    return {path.name for path in draft.shortcuts.folder.iterdir()}


def deltas(draft: Draft) -> set[str]:
    return {name for name in draft.shortcuts.noted() if name.endswith(".delta")}


def test_every_image_gets_a_map_of_what_is_published(
    repository: Repository, draft: Draft, old: ReleaseImages
) -> None:
    repository.add_update(old.new)
    staged = draft.staged()
    assert shortcut_files(draft) == {f"{name}.blockmap" for name in old.names()}
    for name in old.names():
        found = parse((draft.shortcuts.folder / f"{name}.blockmap").read_bytes(), name)
        assert found.whole.raw_sha256.hex() == staged[name].raw_sha256
        assert found.whole.packed_sha256.hex() == staged[name].sha256
        assert found.codec is Codec.LZ4


@pytest.mark.parametrize("option", ["block_linked", "block_checksum"])
def test_an_lz4_file_that_cannot_be_entered_is_staged_as_it_is_without_a_map(
    repository: Repository, draft: Draft, old: ReleaseImages, option: str
) -> None:
    packed = old.root.with_name(old.root.name + ".lz4")
    packed.write_bytes(
        frame.compress(old.root.read_bytes(), **{"block_linked": False, option: True})
    )
    told: list[str] = []
    repository.add_update(replace(old.new, root=packed), report=told.append)
    assert (draft.targets / packed.name).read_bytes() == packed.read_bytes()
    assert f"{packed.name}.blockmap" not in draft.shortcuts.noted()
    (remark,) = told
    assert remark.startswith(f"{packed.name} gets no block map, so clients fetch it whole: ")


def test_maps_can_be_left_out(repository: Repository, draft: Draft, old: ReleaseImages) -> None:
    repository.add_update(replace(old.new, blockmap=False))
    assert draft.shortcuts.noted() == {}


def test_a_map_left_by_an_earlier_attempt_goes_when_none_is_wanted(
    repository: Repository, draft: Draft, old: ReleaseImages
) -> None:
    repository.add_update(old.new)
    (draft.folder / "manifest.json").unlink()
    repository.add_update(replace(old.new, blockmap=False))
    assert draft.shortcuts.noted() == {}
    assert shortcut_files(draft) == set()


def test_a_name_too_long_for_a_map_costs_only_the_map(
    repository: Repository, draft: Draft, old: ReleaseImages
) -> None:
    root = old.root.rename(old.root.with_name("r" * 172))
    told: list[str] = []
    repository.add_update(replace(old.new, root=root), report=told.append)
    assert len(draft.shortcuts.noted()) == 2
    assert "too long" in told[0]


def test_the_same_image_in_two_releases_has_a_map_under_each_name(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    new.boot.write_bytes(old.boot.read_bytes())
    for each in (old, new):
        repository.add_update(replace(each.new, format=Format.ZSTD))
    maps = [draft.shortcuts.folder / f"{each.boot.name}.zst.blockmap" for each in (old, new)]
    assert maps[0].read_bytes() == maps[1].read_bytes()


def test_shortcuts_leave_the_draft_with_their_release(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(replace(new.new, delta_from=(V1,)))
    repository.remove_update(EDITION, V2)
    assert shortcut_files(draft) == {f"{name}.blockmap" for name in old.names()}
    assert shortcut_files(draft) == draft.shortcuts.noted().keys()


def test_deltas_outlive_the_release_from_which_they_start(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(replace(new.new, delta_from=(V1,)))
    before = deltas(draft)
    repository.remove_update(EDITION, V1)
    assert deltas(draft) == before != set()


def test_another_edit_keeps_the_shortcuts(
    repository: Repository, draft: Draft, old: ReleaseImages
) -> None:
    repository.add_update(old.new)
    before = draft.shortcuts.noted()
    repository.set_migrations([EDITION], {}, [])
    assert draft.shortcuts.noted() == before


def test_zstd_images_have_maps_and_any_zstd_tool_decodes_them(
    repository: Repository, draft: Draft, old: ReleaseImages
) -> None:
    update = repository.add_update(replace(old.new, format=Format.ZSTD))
    assert update.images.root == f"{old.root.name}.zst"
    packed = draft.targets / update.images.root
    with zstandard.ZstdDecompressor().stream_reader(
        packed.open("rb"), read_across_frames=True
    ) as reader:
        assert reader.read() == ROOTS["1.1.0"]
    raw = subprocess.run(["zstd", "-dc", packed], capture_output=True, check=True).stdout
    assert raw == ROOTS["1.1.0"]
    found = parse((draft.shortcuts.folder / f"{packed.name}.blockmap").read_bytes(), "map")
    assert found.codec is Codec.ZSTD
    assert draft.staged()[packed.name].format == "zstd"


def test_zstd_frames_are_cut_for_clients_of_the_release_before(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    for each in (old, new):
        repository.add_update(replace(each.new, format=Format.ZSTD))
    found = parse((draft.shortcuts.folder / f"{new.root.name}.zst.blockmap").read_bytes(), "map")
    alone = parse((draft.shortcuts.folder / f"{old.root.name}.zst.blockmap").read_bytes(), "map")
    assert set(alone.counts) == {4}
    assert set(found.counts) != {4}


def test_zstd_frames_are_even_where_changes_are_scattered(
    repository: Repository, draft: Draft, old: ReleaseImages, tmp_path: Path
) -> None:
    scattered = bytearray(ROOTS["1.1.0"])
    for at in range(0, len(scattered), 2 * BLOCK):
        scattered[at : at + 8] = os.urandom(8)
    new = make_release(tmp_path / "images", "1.2.0", bytes(scattered))
    for each in (old, new):
        repository.add_update(replace(each.new, format=Format.ZSTD))
    found = parse((draft.shortcuts.folder / f"{new.root.name}.zst.blockmap").read_bytes(), "map")
    assert set(found.counts) == {4}


def test_an_lz4_file_cannot_become_a_zstd_image(repository: Repository, old: ReleaseImages) -> None:
    packed = old.root.with_name(old.root.name + ".lz4")
    packed.write_bytes(frame.compress(b"x"))
    with pytest.raises(UsageError, match="is packed already; zstd images are made from raw ones"):
        repository.add_update(replace(old.new, root=packed, format=Format.ZSTD))


def test_what_is_packed_under_a_raw_name_is_not_packed_again(
    repository: Repository, old: ReleaseImages
) -> None:
    old.root.write_bytes(zstandard.compress(old.root.read_bytes()))
    with pytest.raises(ImageError, match="is packed already: zstd"):
        repository.add_update(replace(old.new, format=Format.ZSTD))


def test_a_delta_is_named_after_the_root_hash_of_its_base(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(new.new)
    made = repository.make_delta(EDITION, V2, V1)
    names = {f"{name}.from-{old.root_hash}.delta" for name in new.names()}
    assert {one.name for one in made} == deltas(draft) <= names
    assert f"{new.root.name}.lz4.from-{old.root_hash}.delta" in deltas(draft)


def test_a_delta_says_from_which_image_it_starts(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(replace(new.new, delta_from=(V1,)))
    name = f"{new.root.name}.lz4.from-{old.root_hash}.delta"
    note, staged = draft.shortcuts.noted()[name], draft.staged()
    start = (draft.shortcuts.folder / name).read_bytes()[:HEADER_LENGTH]
    header = parse_header(start, name)
    base, image_ = staged[f"{old.root.name}.lz4"], staged[f"{new.root.name}.lz4"]
    assert (header.base_length, header.base_sha256.hex()) == (base.raw_length, base.raw_sha256)
    assert (header.raw_length, header.raw_sha256.hex()) == (image_.raw_length, image_.raw_sha256)
    assert note.custom() == {
        "updog": {"base_length": base.raw_length, "base_sha256": base.raw_sha256}
    }
    assert note.length < image_.length


@pytest.mark.parametrize("form", ["raw", "lz4", "zstd"])
def test_a_delta_can_start_from_images_that_were_never_drafted(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages, form: str
) -> None:
    if form != "raw":
        pack: Callable[[bytes], bytes] = frame.compress if form == "lz4" else zstandard.compress
        for path in old.paths:
            path.write_bytes(pack(path.read_bytes()))
    repository.add_update(new.new)
    repository.make_delta(EDITION, V2, old.paths)
    assert f"{new.root.name}.lz4.from-{old.root_hash}.delta" in deltas(draft)


def test_a_delta_between_zstd_images_is_the_same(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(replace(old.new, format=Format.ZSTD))
    repository.add_update(replace(new.new, format=Format.ZSTD, delta_from=(V1,)))
    assert f"{new.root.name}.zst.from-{old.root_hash}.delta" in deltas(draft)


def test_a_delta_larger_than_its_image_is_left_out(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    new.boot.write_bytes(os.urandom(9 * BLOCK))
    told: list[str] = []
    repository.add_update(old.new)
    repository.add_update(replace(new.new, delta_from=(V1,)), report=told.append)
    name = f"{new.boot.name}.lz4.from-{old.root_hash}.delta"
    assert f"{name} is left out: it would be larger than the image itself." in told
    assert name not in shortcut_files(draft)


@pytest.mark.parametrize(
    ("version", "base", "message"),
    [
        ("1.2.0", "1.2.0", "to itself"),
        ("1.2.0", "1.0.0", "no version 1.0.0"),
        ("9.0.0", "1.1.0", "no version 9"),
    ],
)
def test_a_delta_needs_two_releases_of_the_draft(
    repository: Repository,
    old: ReleaseImages,
    new: ReleaseImages,
    version: str,
    base: str,
    message: str,
) -> None:
    repository.add_update(old.new)
    repository.add_update(new.new)
    with pytest.raises(UsageError, match=message):
        repository.make_delta(EDITION, Version.parse(version), Version.parse(base))


def test_a_release_is_not_added_when_its_delta_has_no_base(
    repository: Repository, draft: Draft, new: ReleaseImages
) -> None:
    with pytest.raises(UsageError, match=r"no version 1\.1\.0"):
        repository.add_update(replace(new.new, delta_from=(V1,)))
    assert draft.manifest().updates == ()
    assert not draft.targets.exists()


def test_a_base_without_a_root_hash_is_refused(
    repository: Repository, old: ReleaseImages, new: ReleaseImages
) -> None:
    old.hash.write_bytes(image(9))
    repository.add_update(old.new)
    repository.add_update(new.new)
    with pytest.raises(ImageError, match="is not a dm-verity hash image"):
        repository.make_delta(EDITION, V2, V1)


def test_another_base_of_the_same_root_hash_is_refused(
    repository: Repository, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(replace(new.new, delta_from=(V1,)))
    other = old.boot.with_name("other")
    other.write_bytes(image(20, seed=8))
    with pytest.raises(DraftError, match="from another image with the same root hash"):
        repository.make_delta(EDITION, V2, (other, old.root, old.hash))


def test_an_image_that_was_changed_in_the_draft_gets_no_delta(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    repository.add_update(new.new)
    staged = draft.targets / f"{new.root.name}.lz4"
    staged.unlink()
    staged.write_bytes(frame.compress(b"something else"))
    with pytest.raises(ImageError, match="was changed after it had been added"):
        repository.make_delta(EDITION, V2, V1)


def test_nothing_temporary_is_left(
    repository: Repository, draft: Draft, old: ReleaseImages, new: ReleaseImages
) -> None:
    repository.add_update(old.new)
    (draft.shortcuts.folder / ".tmp-of-a-killed-run").touch()
    repository.add_update(replace(new.new, delta_from=(V1,)))
    assert [path.name for path in draft.folder.rglob(".*")] == []


@pytest.mark.parametrize("junk", ["", "[]", '{"targets": []}', '{"targets": {"x": {"a": 1}}}'])
def test_damaged_notes_are_told(draft: Draft, junk: str) -> None:
    draft.folder.mkdir(parents=True)
    (draft.folder / "shortcuts.json").write_text(junk)
    with pytest.raises(DraftError, match=r"shortcuts\.json is damaged"):
        draft.shortcuts.noted()
