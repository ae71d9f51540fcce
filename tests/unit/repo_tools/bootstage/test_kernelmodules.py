from __future__ import annotations

from pathlib import Path

import pytest

from repo_tools.bootstage.kernelmodules import ModuleTree
from repo_tools.errors import ImageError
from tests.fakes.elf import module_tree


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


@pytest.fixture
def tree(tmp_path: Path) -> ModuleTree:
    modules = {"dm-verity": "dm-mod,dm-bufio", "dm-bufio": "dm-mod", "dm-mod": "", "loop": "ext4"}
    return ModuleTree(module_tree(tmp_path / "6.1", dict(modules), ["ext4"]))


def test_each_module_comes_after_what_it_needs(tree: ModuleTree) -> None:
    assert names(tree.in_order(["dm_verity"])) == ["dm-mod", "dm-bufio", "dm-verity"]


def test_names_may_be_written_with_dashes(tree: ModuleTree) -> None:
    assert tree.in_order(["dm-mod"]) == tree.in_order(["dm_mod"])


def test_what_is_built_in_is_left_out(tree: ModuleTree) -> None:
    assert names(tree.in_order(["ext4", "loop"])) == ["loop"]


def test_a_module_that_is_not_there_is_named(tree: ModuleTree) -> None:
    with pytest.raises(ImageError, match="has no module nonsense"):
        tree.in_order(["nonsense"])


def test_or_passed_over_if_it_is_only_wished_for(tree: ModuleTree) -> None:
    assert names(tree.in_order(["nonsense", "dm_mod"], skip_missing=True)) == ["dm-mod"]


def test_a_need_that_is_not_there_is_never_passed_over(tmp_path: Path) -> None:
    tree = ModuleTree(module_tree(tmp_path / "6.1", {"a": "gone"}))
    with pytest.raises(ImageError, match=r"has no module gone \(needed by a\)"):
        tree.in_order(["a"], skip_missing=True)


def test_modules_that_need_each_other_end(tmp_path: Path) -> None:
    tree = ModuleTree(module_tree(tmp_path / "6.1", {"a": "b", "b": "a"}))
    assert sorted(names(tree.in_order(["a"]))) == ["a", "b"]


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no kernel modules that can be read"):
        ModuleTree(tmp_path).in_order(["a"])


def test_packed_modules_get_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.ko.xz").write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        ModuleTree(tmp_path).in_order(["a"])
    assert "Unpack them" in (caught.value.hint or "")


def test_a_folder_without_the_list_of_what_is_built_in_is_refused(tmp_path: Path) -> None:
    folder = module_tree(tmp_path / "6.1", {"a": ""})
    (folder / "modules.builtin").unlink()
    with pytest.raises(ImageError, match=r"modules\.builtin cannot be read"):
        ModuleTree(folder).in_order(["ext4"])


SOFT = {
    "erofs": ["softdep=pre: crc32c lz4 post: late"],
    "crc32c-intel": ["alias=crc32c", "alias=crypto-crc32c"],
    "crc32c_generic": ["alias=crc32c"],
    "lz4": ["softdep=pre: nothing-like-it"],
}
FILES = {
    "erofs": "netfs",
    "netfs": "",
    "crc32c-intel": "simd",
    "simd": "",
    "lz4": "",
    "late": "",
}


def soft(tmp_path: Path, modules: dict[str, str | None], *builtin: str) -> list[str]:
    """What is put in for erofs."""
    tree = ModuleTree(module_tree(tmp_path / "6.1", modules, builtin, SOFT))
    return names(tree.in_order(["erofs"], soft=True))


def test_what_a_module_wants_before_it_comes_before_it_by_name_or_alias(tmp_path: Path) -> None:
    wanted = soft(tmp_path, {**FILES, "crc32c_generic": ""})
    assert wanted == ["simd", "crc32c-intel", "crc32c_generic", "lz4", "netfs", "erofs"]


def test_what_is_built_in_needs_no_other_of_that_alias(tmp_path: Path) -> None:
    wanted = soft(tmp_path, dict(FILES), "crc32c_generic", "lz4")
    assert wanted == ["lz4", "netfs", "erofs"]


def test_what_is_wanted_and_is_not_there_is_passed_over(tmp_path: Path) -> None:
    assert soft(tmp_path, {"erofs": ""}) == ["erofs"]


def test_wishes_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    tree = ModuleTree(module_tree(tmp_path / "6.1", FILES, (), SOFT))
    assert names(tree.in_order(["erofs"])) == ["netfs", "erofs"]


def test_modules_that_want_each_other_end(tmp_path: Path) -> None:
    said = {"a": ["softdep=pre: b"], "b": ["softdep=pre: a"]}
    tree = ModuleTree(module_tree(tmp_path / "6.1", {"a": "", "b": ""}, (), said))
    assert names(tree.in_order(["a"], soft=True)) == ["b", "a"]


def test_a_damaged_module_that_nobody_asked_for_is_no_matter(tmp_path: Path) -> None:
    folder = module_tree(tmp_path / "6.1", FILES, (), SOFT)
    (folder / "kernel/drivers/other.ko").write_bytes(b"junk")
    assert "crc32c-intel" in names(ModuleTree(folder).in_order(["erofs"], soft=True))


def test_a_kernel_that_says_nothing_of_what_is_built_in_will_do(tmp_path: Path) -> None:
    folder = module_tree(tmp_path / "6.1", FILES, ["lz4"], SOFT)
    (folder / "modules.builtin.modinfo").unlink()
    wanted = names(ModuleTree(folder).in_order(["erofs"], soft=True))
    assert wanted == ["simd", "crc32c-intel", "lz4", "netfs", "erofs"]
