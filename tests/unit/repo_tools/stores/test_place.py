from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.stores.place import Lifetimes, Place, read_place
from updog.errors import ConfigError


def said(folder: Path, text: str) -> Place:
    (folder / "publish.toml").write_text(text)
    return read_place(folder)


def test_without_a_file_everything_is_as_usual(tmp_path: Path) -> None:
    assert read_place(tmp_path) == Place()


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
        to = "s3://bucket/prefix"
        endpoint = "https://s3.example"
        region = "eu-central-1"
        profile = "publisher"
        lock = "10 minutes"
        conditional_writes = false
        timestamp_max_age = "2 minutes"
        [lifetimes]
        timestamp = "2 days"
    """
    assert said(tmp_path, text) == Place(
        "s3://bucket/prefix",
        "https://s3.example",
        "eu-central-1",
        "publisher",
        timedelta(minutes=10),
        conditional_writes=False,
        timestamp_max_age=timedelta(minutes=2),
        lifetimes=Lifetimes(timestamp=timedelta(days=2)),
    )


@pytest.mark.parametrize(("typed", "meant"), [("../site", "{}/../site"), ("/srv/www", "/srv/www")])
def test_a_folder_is_meant_as_seen_from_the_file(tmp_path: Path, typed: str, meant: str) -> None:
    assert said(tmp_path, f'to = "{typed}"').to == meant.format(tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('tow = "s3://b"', "tow: there is no such key"),
        ("to = 1", "to: a string is wanted"),
        ('to = ""', "to: a string is wanted"),
        ('lock = "soon"', "lock: 'soon' is not an offset"),
        ('lock = "0 minutes"', "lock: a span above zero is wanted"),
        ("conditional_writes = 1", "conditional_writes: true or false is wanted"),
        ("lifetimes = 3", "lifetimes: a table is wanted"),
        ('[lifetimes]\nroot = "1 day"', "lifetimes: root: there is no such key"),
        ("to = ", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        said(tmp_path, text)
    assert "publish.toml" in str(caught.value)
