from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.stores import cell, place_store, tree_of
from updog.datastore.collecting import collect
from updog.datastore.copying import Dress, copy_store
from updog.datastore.errors import StoreError
from updog.datastore.files import RealFiles
from updog.datastore.keys import Key, decode, encode
from updog.datastore.links import read_chain, told_version
from updog.datastore.reader import MAX_FILE, faults, read_store
from updog.datastore.tree import Datum, Store
from updog.datastore.writer import write_store

STORE = Store(tree_of({"settings.motd": "hi"}), {"tx": tree_of({"settings.motd": "ho"})})


def test_the_form_on_disk_is_bottlerockets(tmp_path: Path) -> None:
    odd = tree_of({'a."x.y/z"': [1, "é"], "a.b": None, "a.b [my.note]": True})
    write_store(tmp_path / "s", Store(odd, {"t 1": tree_of({"k": 1})}))
    found = {
        str(path.relative_to(tmp_path / "s")): path.read_text()
        for path in (tmp_path / "s").rglob("*")
        if path.is_file()
    }
    assert found == {
        "live/a/x%2Ey%2Fz": '[1, "é"]',
        "live/a/b": "null",
        "live/a/b.my%2Enote": "true",
        "pending/t%201/k": "1",
    }


@pytest.mark.parametrize("text", ["a", "a.b-c_D9", 'a."b.c"', '"ä"."q\\"t"', 'a."%2E"'])
def test_a_key_is_written_as_it_was_read(text: str) -> None:
    assert str(Key.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a b", '"', '""', 'a."b', "a'b", "ä"]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        Key.parse(text)


def test_a_key_has_at_most_255_bytes() -> None:
    assert Key.parse("a" * 255)
    with pytest.raises(StoreError, match="longer than 255"):
        Key.parse("a" * 256)


@pytest.mark.parametrize("name", ["", "%2e", "%41", "%", "%C3", "a.b", "ä", "..", "a/b", "%G0"])
def test_a_file_name_that_encode_does_not_make_is_refused(name: str) -> None:
    with pytest.raises(StoreError):
        decode(name)


def test_names_survive_encoding() -> None:
    for part in ("a", "a.b", "../x", "ä ö", "%", "\n", "\U0001f600"):
        assert decode(encode(part)) == part


@pytest.mark.parametrize("text", ["", "{}", "nul", "NaN", "1 2", '"', "[" * 100_000])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        Datum(text)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "live/settings/p")


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (_text("live/settings/x", "{}"), "it is a JSON object"),
        (_text("live/settings/x", " " * MAX_FILE + "1"), "it is longer than"),
        (_text("live/settings/x.", "1"), "'' is no encoded name"),
        (_text("live/settings/.x", "1"), "'' is no encoded name"),
        (_text("extra", "1"), "only live and pending have a place here"),
        (_text("pending/x", "1"), "it is not a folder"),
        (_pipe, "neither a file nor a folder"),
        (lambda folder: (folder / "live/l").symlink_to("settings"), "neither a file nor a folder"),
        (lambda folder: (folder / "live/a.b").mkdir(), "neither a file nor a folder"),
    ],
)
def test_each_fault_is_found(tmp_path: Path, spoil: Callable[[Path], object], what: str) -> None:
    write_store(tmp_path / "s", STORE)
    assert faults(tmp_path / "s") == ()
    spoil(tmp_path / "s")
    assert [what in fault.what for fault in faults(tmp_path / "s")] == [True]
    with pytest.raises(StoreError):
        read_store(tmp_path / "s")


def test_a_copy_takes_no_links_along(tmp_path: Path) -> None:
    write_store(tmp_path / "s", STORE)
    dress = Dress.like(tmp_path / "s")
    copy_store(tmp_path / "s", tmp_path / "t", dress, RealFiles(), durable=True)
    assert read_store(tmp_path / "t") == STORE
    (tmp_path / "s/live/l").symlink_to("/etc/passwd")
    with pytest.raises(StoreError):
        copy_store(tmp_path / "s", tmp_path / "u", dress, RealFiles(), durable=False)


@pytest.mark.parametrize(
    ("link", "store", "version"),
    [
        ("v1.2.3", "v1.2.3_Jk3pQ8sW1xYz0aBc", "1.2.3"),
        ("1.2.3", "v1.2.3_Jk3pQ8sW1xYz0aBc", "1.2.3"),
        ("v1.2.3", "v1.2.3-rc.1+b_Jk3pQ8sW1xYz0aBc", "1.2.3-rc.1+b"),
        ("v1.2.4", "v1.2.3-rc.1_Jk3pQ8sW1xYz0aBc", "1.2.4"),
        ("v1.2.3", "anything", "1.2.3"),
    ],
)
def test_the_version_is_told_by_links_and_folder(link: str, store: str, version: str) -> None:
    assert str(told_version(link, store)) == version


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    current = place_store(tmp_path, "1.2.3", STORE)
    (tmp_path / "v1.2").unlink()
    with pytest.raises(StoreError, match=r"v1\.2 is not a link"):
        read_chain(current)


def test_only_stores_and_their_links_are_collected(tmp_path: Path) -> None:
    place_store(tmp_path, "1.0.0", STORE, letters="a" * 16)
    current = place_store(tmp_path, "2.0.0", STORE, letters="b" * 16)
    for name in ("v-notes", "v1.0.0_short", "backup", ".updog-migration-x"):
        (tmp_path / name).mkdir()
    (tmp_path / ".updog-link-v9").symlink_to("nowhere")
    (tmp_path / "vendor").symlink_to("nowhere")
    gone = collect(current, [f"v2.0.0_{'b' * 16}"], RealFiles())
    assert gone == (f"v1.0.0_{'a' * 16}",)
    kept = {"v-notes", "v1.0.0_short", "backup", "vendor", "current", "v2", "v2.0", "v2.0.0"}
    assert {path.name for path in tmp_path.iterdir()} == kept | {f"v2.0.0_{'b' * 16}"}


def test_a_cell_is_written_for_people() -> None:
    assert str(cell("a.b [n]")) == "a.b [n]"
