from __future__ import annotations

from itertools import pairwise

import pytest

from updog.version import MAX_LENGTH, MAX_NUMBER, Version


def _v(text: str) -> Version:
    return Version.parse(text)


@pytest.mark.parametrize(
    "text", ["0.0.0", "1.15.0", "1.2.3-rc.1", "1.2.3+build.007", "1.2.3-a-b.0x+c-d", "1.0.0--"]
)
def test_a_version_is_written_as_it_was_read(text: str) -> None:
    assert str(_v(text)) == text


def test_the_parts_of_a_version_have_names() -> None:
    version = _v("1.2.3-rc.1+b.2")
    parts = (version.major, version.minor, version.patch, version.prerelease, version.build)
    assert parts == (1, 2, 3, "rc.1", "b.2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "01.2.3",
        "1.2.3-",
        "1.2.3+",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3+a_b",
        " 1.2.3",
        "1.2.3\n",
        "1.2.٣",
        "1.2.3-é",
        "-1.2.3",
    ],
)
def test_what_is_not_strict_semver_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        _v(text)


def test_a_number_is_at_most_64_bits() -> None:
    assert _v(f"{MAX_NUMBER}.0.0").major == MAX_NUMBER
    with pytest.raises(ValueError, match="above 18446744073709551615"):
        _v(f"0.{MAX_NUMBER + 1}.0")


def test_a_version_is_short_enough_for_a_file_name() -> None:
    longest = "1.0.0-" + "a" * (MAX_LENGTH - 6)
    assert str(_v(longest)) == longest
    with pytest.raises(ValueError, match="not a semantic version"):
        _v(longest + "a")


ASCENDING = [
    "0.9.9",
    "1.0.0-0",
    "1.0.0-9",
    "1.0.0-10",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0-rc.1+x",
    "1.0.0",
    "1.0.0+0",
    "1.0.0+0.1",
    "1.0.0+00",
    "1.0.0+1",
    "1.0.0+01",
    "1.0.0+001",
    "1.0.0+2",
    "1.0.0+10",
    "1.0.0+10.a",
    "1.0.0+18446744073709551616",
    "1.0.0+A",
    "1.0.0+a",
    "1.0.0+a.0",
    "1.0.0+a.a",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-rc.1",
]


@pytest.mark.parametrize(("lower", "higher"), list(pairwise(ASCENDING)))
def test_versions_are_totally_ordered(lower: str, higher: str) -> None:
    assert _v(lower) < _v(higher)
    assert _v(higher) > _v(lower)
    assert _v(lower) != _v(higher)


def test_any_order_sorts_to_the_same() -> None:
    assert [str(v) for v in sorted(map(_v, reversed(ASCENDING)))] == ASCENDING


def test_build_metadata_tells_versions_apart() -> None:
    assert _v("1.0.0+a") != _v("1.0.0+b")
    assert len({_v("1.0.0"), _v("1.0.0+a"), _v("1.0.0+a")}) == 2


def test_a_version_is_not_equal_to_its_text() -> None:
    text: object = "1.0.0"
    assert _v("1.0.0") != text
