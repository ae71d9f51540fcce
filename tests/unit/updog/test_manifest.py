from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from updog.errors import ManifestError
from updog.jsontree import MAX_BYTES, MAX_DEPTH, MAX_ENTRIES
from updog.manifest import (
    MAX_NAME,
    Images,
    Manifest,
    Update,
    dump,
    edge_key,
    parse,
    update_as_json,
)
from updog.version import Version
from waves.schedule import MAX_KEY, Schedule, Wave

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "manifests"

# The example of formats 2.5, in the written form of 2.4.
EXAMPLE = b"""\
{
  "updates": [
    {
      "variant": "edge-gw",
      "arch": "aarch64",
      "version": "3.2.0",
      "max_version": "3.2.1",
      "waves": {
        "0": "2031-04-07T09:00:00Z",
        "61": "2031-04-07T12:00:00Z",
        "614": "2031-04-08T09:00:00Z"
      },
      "images": {
        "boot": "acme-edge-gw-aarch64-3.2.0-9f1c2ab-boot.ext4.lz4",
        "root": "acme-edge-gw-aarch64-3.2.0-9f1c2ab-root.ext4.lz4",
        "hash": "acme-edge-gw-aarch64-3.2.0-9f1c2ab-root.verity.lz4"
      }
    }
  ],
  "migrations": {
    "(3.1.0, 3.2.0)": [
      "migrate_v3.2.0_add-ntp-pool.lz4"
    ],
    "(3.2.0, 3.2.1)": []
  }
}"""


def _v(text: str) -> Version:
    return Version.parse(text)


def _tree() -> Any:
    return json.loads(EXAMPLE)


def _changed(*path: str | int, to: object) -> bytes:
    """The example with one value changed or added."""
    tree = _tree()
    node = tree
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = to
    return json.dumps(tree).encode()


def _without(*path: str | int) -> bytes:
    tree = _tree()
    node = tree
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return json.dumps(tree).encode()


def _refusal(data: bytes) -> str:
    with pytest.raises(ManifestError) as refused:
        parse(data)
    return str(refused.value)


# What is read.


def test_every_member_of_the_format_is_read() -> None:
    day = datetime(2031, 4, 7, 9, tzinfo=UTC)
    prefix = "acme-edge-gw-aarch64-3.2.0-9f1c2ab"
    images = Images(
        f"{prefix}-boot.ext4.lz4", f"{prefix}-root.ext4.lz4", f"{prefix}-root.verity.lz4"
    )
    waves = (Wave(0, day), Wave(61, day.replace(hour=12)), Wave(614, day.replace(day=8)))
    update = Update("edge-gw", "aarch64", _v("3.2.0"), _v("3.2.1"), Schedule(waves), images)
    migrations = {
        (_v("3.1.0"), _v("3.2.0")): ("migrate_v3.2.0_add-ntp-pool.lz4",),
        (_v("3.2.0"), _v("3.2.1")): (),
    }
    assert parse(EXAMPLE) == Manifest((update,), migrations)


@pytest.mark.parametrize(
    ("name", "updates", "migrations"),
    [
        ("example", 1, 2),
        ("example_2", 1, 0),
        ("example_3_aarch64", 2, 0),
        ("example_3_x86_64", 2, 0),
        ("migrations", 1, 4),
        ("multiple_aarch64", 4, 0),
        ("multiple_x86_64", 4, 0),
        ("regret", 1, 0),
        ("single_wave", 1, 0),
    ],
)
def test_bottlerockets_manifests_are_read(name: str, updates: int, migrations: int) -> None:
    manifest = parse((FIXTURES / f"{name}.json").read_bytes())
    assert (len(manifest.updates), len(manifest.migrations)) == (updates, migrations)


def test_bottlerockets_bad_bound_is_refused() -> None:
    refusal = _refusal((FIXTURES / "bad-bound.json").read_bytes())
    assert refusal.startswith("manifest.json: $.updates[0].waves['234ab32']: a wave key is")


def test_bottlerockets_duplicate_bound_is_refused() -> None:
    refusal = _refusal((FIXTURES / "duplicate-bound.json").read_bytes())
    assert refusal == "manifest.json: $.updates[0].waves: the member '0' is named twice"


def test_unpadded_months_and_days_are_read() -> None:
    manifest = parse((FIXTURES / "example_2.json").read_bytes())
    assert manifest.updates[0].schedule.waves[0].start == datetime(2019, 8, 6, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "path",
    [
        ("future",),
        ("updates", 0, "status"),
        ("updates", 0, "images", "verity"),
    ],
)
@pytest.mark.parametrize("value", ["Ready", None, [1e999, {"a": -0.5}], True])
def test_unknown_members_are_ignored_at_every_level(
    path: tuple[str | int, ...], value: object
) -> None:
    assert parse(_changed(*path, to=value).replace(b"Infinity", b"1e999")) == parse(EXAMPLE)


def test_an_ignored_number_may_have_any_count_of_digits() -> None:
    data = _changed("future", to="@").replace(b'"@"', b"9" * 100_000)
    assert parse(data) == parse(EXAMPLE)


def test_no_waves_are_no_waves() -> None:
    (update,) = parse(_changed("updates", 0, "waves", to={})).updates
    assert update.schedule == Schedule()


def test_waves_are_sorted_by_number() -> None:
    day = "2031-04-07T09:00:00Z"
    (update,) = parse(_changed("updates", 0, "waves", to={"100": day, "20": day})).updates
    assert [wave.first_seed for wave in update.schedule.waves] == [20, 100]


@pytest.mark.parametrize(
    ("key", "seed"), [("0", 0), ("000", 0), ("0020", 20), ("4294967295", MAX_KEY)]
)
def test_a_wave_key_is_a_decimal_u32(key: str, seed: int) -> None:
    (update,) = parse(_changed("updates", 0, "waves", to={key: "2031-04-07T09:00:00Z"})).updates
    assert update.schedule.waves[0].first_seed == seed


@pytest.mark.parametrize(
    "key",
    ["(1.0.0, 2.0.0)", "(1.0.0,2.0.0)", "(1.0.0,   2.0.0)", "x(1.0.0, 2.0.0)y"],
)
def test_a_migration_key_is_searched_for(key: str) -> None:
    manifest = parse(_changed("migrations", to={key: []}))
    assert list(manifest.migrations) == [(_v("1.0.0"), _v("2.0.0"))]


# What is refused, and where.


@pytest.mark.parametrize("member", ["updates", "migrations"])
def test_a_manifest_without_a_member_is_refused(member: str) -> None:
    assert _refusal(_without(member)) == f"manifest.json: $: the member {member!r} is missing"


@pytest.mark.parametrize("member", ["variant", "arch", "version", "max_version", "waves", "images"])
def test_an_update_without_a_member_is_refused(member: str) -> None:
    refusal = _refusal(_without("updates", 0, member))
    assert refusal == f"manifest.json: $.updates[0]: the member {member!r} is missing"


@pytest.mark.parametrize("member", ["boot", "root", "hash"])
def test_an_update_without_an_image_is_refused(member: str) -> None:
    refusal = _refusal(_without("updates", 0, "images", member))
    assert refusal == f"manifest.json: $.updates[0].images: the member {member!r} is missing"


WRONG_KINDS: list[tuple[tuple[str | int, ...], object, str]] = [
    (("updates",), {}, "$.updates: expected an array, found an object"),
    (("migrations",), [], "$.migrations: expected an object, found an array"),
    (("updates", 0), None, "$.updates[0]: expected an object, found null"),
    (("updates", 0, "arch"), 5, "$.updates[0].arch: expected a string, found a number"),
    (("updates", 0, "version"), True, "$.updates[0].version: expected a string, found a boolean"),
    (("updates", 0, "images"), "x", "$.updates[0].images: expected an object, found a string"),
    (("updates", 0, "waves"), [], "$.updates[0].waves: expected an object, found an array"),
    (
        ("updates", 0, "waves", "0"),
        1.5,
        "$.updates[0].waves['0']: expected a string, found a number",
    ),
    (
        ("migrations", "(1.0.0, 2.0.0)"),
        "m",
        "$.migrations['(1.0.0, 2.0.0)']: expected an array, found a string",
    ),
    (
        ("migrations", "(1.0.0, 2.0.0)"),
        ["m", {}],
        "$.migrations['(1.0.0, 2.0.0)'][1]: expected a string, found an object",
    ),
]


@pytest.mark.parametrize(("path", "value", "says"), WRONG_KINDS)
def test_a_value_of_another_kind_is_refused(
    path: tuple[str | int, ...], value: object, says: str
) -> None:
    assert _refusal(_changed(*path, to=value)) == f"manifest.json: {says}"


@pytest.mark.parametrize("member", ["version", "max_version"])
@pytest.mark.parametrize("text", ["", "1.2", "v1.2.3", "1.2.3\n", "9" * 5000 + ".0.0"])
def test_a_version_that_is_not_semver_is_refused(member: str, text: str) -> None:
    refusal = _refusal(_changed("updates", 0, member, to=text))
    assert refusal.startswith(f"manifest.json: $.updates[0].{member}: ")
    assert refusal.endswith("is not a semantic version")
    assert len(refusal) < 200


@pytest.mark.parametrize(
    "key", ["", " ", "-1", "+1", "1.0", "0x10", "4294967296", "1" * 5000, "٣", "²", "1_0"]
)
def test_a_wave_key_of_another_form_is_refused(key: str) -> None:
    refusal = _refusal(_changed("updates", 0, "waves", to={key: "2031-04-07T09:00:00Z"}))
    assert refusal.startswith("manifest.json: $.updates[0].waves[")
    assert refusal.endswith("a wave key is a decimal number from 0 to 4294967295")


def test_two_keys_for_one_wave_are_refused_however_they_are_written() -> None:
    day = "2031-04-07T09:00:00Z"
    refusal = _refusal(_changed("updates", 0, "waves", to={"1": day, "01": day}))
    assert refusal == "manifest.json: $.updates[0].waves['01']: a second wave for seed 1"


@pytest.mark.parametrize("text", ["", "tomorrow", "2031-02-30T00:00:00Z", "2031-04-07T09:00:00"])
def test_a_start_that_is_no_moment_is_refused(text: str) -> None:
    refusal = _refusal(_changed("updates", 0, "waves", to={"0": text}))
    assert refusal.startswith("manifest.json: $.updates[0].waves['0']: ")


@pytest.mark.parametrize(
    "key", ["", "1.0.0", "(1.0.0)", "(1.0.0 2.0.0)", "(1.0.0 , 2.0.0)", "1.0.0, 2.0.0", "(" * 5000]
)
def test_a_migration_key_of_another_form_is_refused(key: str) -> None:
    refusal = _refusal(_changed("migrations", to={key: []}))
    assert refusal.endswith("a migration key is written '(FROM, TO)'")


@pytest.mark.parametrize("key", ["(1.0, 2.0.0)", "(1.0.0, v2.0.0)"])
def test_a_migration_key_with_a_half_that_is_not_semver_is_refused(key: str) -> None:
    refusal = _refusal(_changed("migrations", to={key: []}))
    assert refusal.startswith(f"manifest.json: $.migrations['{key}']: ")
    assert refusal.endswith("is not a semantic version")


def test_two_keys_for_one_migration_are_refused_however_they_are_written() -> None:
    table: dict[str, list[str]] = {"(1.0.0, 2.0.0)": [], "(1.0.0,2.0.0)": []}
    refusal = _refusal(_changed("migrations", to=table))
    assert refusal.endswith("a second list for (1.0.0, 2.0.0)")


NAMES = [
    ("updates", 0, "variant"),
    ("updates", 0, "arch"),
    ("updates", 0, "images", "root"),
    ("migrations", "(3.1.0, 3.2.0)", 0),
]


@pytest.mark.parametrize("path", NAMES)
@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME + 1), "a\0b", "a\nb", "\x1b[2J", "\x7f"])
def test_a_name_is_short_and_has_no_control_characters(
    path: tuple[str | int, ...], name: str
) -> None:
    with pytest.raises(ManifestError):
        parse(_changed(*path, to=name))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a b", "größe", "x" * MAX_NAME])
def test_any_other_name_is_kept_as_it_is(name: str) -> None:
    (update,) = parse(_changed("updates", 0, "images", "root", to=name)).updates
    assert update.images.root == name


# Strict JSON.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff{}",
        b"{} {}",
        b"{'a': 1}",
        b"\xef\xbb\xbf" + EXAMPLE,
        EXAMPLE.decode().encode("utf-16"),
        b"\x00",
        b'{"a": 01}',
        b'"\n"',
    ],
)
def test_what_is_not_json_in_utf_8_is_refused(data: bytes) -> None:
    assert _refusal(data).startswith("manifest.json: $: not JSON in UTF-8: ")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json_are_refused(constant: str) -> None:
    data = _changed("future", to="@").replace(b'"@"', constant.encode())
    assert _refusal(data).endswith(f"{constant} is not a JSON value")


@pytest.mark.parametrize(
    "path", [("future",), ("updates", 0, "arch"), ("updates", 0, "images", "boot")]
)
@pytest.mark.parametrize("half", ["\ud800", "x\udfff"])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(
    path: tuple[str | int, ...], half: str
) -> None:
    assert "holds half of a surrogate pair" in _refusal(_changed(*path, to=half))


def test_half_a_surrogate_pair_is_refused_as_a_key() -> None:
    assert "holds half of a surrogate pair" in _refusal(_changed("\ud800", to=1))


def test_a_whole_surrogate_pair_is_one_character() -> None:
    data = _changed("updates", 0, "images", "root", to="@").replace(b'"@"', b'"\\ud83d\\udc36"')
    assert parse(data).updates[0].images.root == "\N{DOG FACE}"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"updates": [], "updates": []}', "$: the member 'updates' is named twice"),
        (b'{"future": {"a": 1, "a": 1}}', "$.future: the member 'a' is named twice"),
        (b'{"f": [[{"\\u0061": 1, "a": 2}]]}', "$.f[0][0]: the member 'a' is named twice"),
        (b'{"a b": {"": {}, "": {}}}', "$['a b']: the member '' is named twice"),
    ],
)
def test_a_member_that_is_named_twice_is_refused(data: bytes, says: str) -> None:
    assert _refusal(data) == f"manifest.json: {says}"


def test_a_manifest_has_a_greatest_size() -> None:
    padded = EXAMPLE + b" " * (MAX_BYTES - len(EXAMPLE))
    assert parse(padded) == parse(EXAMPLE)
    assert _refusal(padded + b" ").endswith(
        f"{MAX_BYTES + 1} bytes, more than the {MAX_BYTES} allowed"
    )


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 1_000_000])
def test_a_manifest_has_a_greatest_depth(opening: bytes, depth: int) -> None:
    closing = b"]" if opening == b"[" else b"}"
    data = opening * depth + b"0" + closing * depth
    assert _refusal(data).endswith(f"nested deeper than {MAX_DEPTH} levels")


def test_an_ignored_member_may_use_the_depth_that_is_left() -> None:
    inner: list[Any] = []
    for _ in range(MAX_DEPTH - 2):
        inner = [inner]
    assert parse(_changed("future", to=inner)) == parse(EXAMPLE)
    with pytest.raises(ManifestError):
        parse(_changed("future", to=[inner]))


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        (("updates",), [None] * (MAX_ENTRIES + 1)),
        (("updates", 0, "waves"), {str(n): "" for n in range(MAX_ENTRIES + 1)}),
        (("migrations",), {str(n): [] for n in range(MAX_ENTRIES + 1)}),
        (("migrations", "(3.1.0, 3.2.0)"), ["m"] * (MAX_ENTRIES + 1)),
    ],
    ids=["updates", "waves", "migrations", "names"],
)
def test_a_manifest_has_a_greatest_count(path: tuple[str | int, ...], entries: object) -> None:
    assert _refusal(_changed(*path, to=entries)).endswith(
        "10001 entries, more than the 10000 allowed"
    )


def test_the_greatest_count_is_allowed() -> None:
    names = ["m"] * MAX_ENTRIES
    manifest = parse(_changed("migrations", "(3.1.0, 3.2.0)", to=names))
    assert manifest.migrations[_v("3.1.0"), _v("3.2.0")] == tuple(names)


def test_a_long_key_does_not_make_a_long_message() -> None:
    assert len(_refusal(_changed("migrations", to={"x" * 100_000: []}))) < 300


# What is written.


def test_the_written_form_is_the_one_of_the_format() -> None:
    assert dump(parse(EXAMPLE)) == EXAMPLE


def test_an_empty_manifest_is_written_with_both_members() -> None:
    assert dump(Manifest()) == b'{\n  "updates": [],\n  "migrations": {}\n}'


def test_migrations_are_written_in_the_order_of_their_text() -> None:
    one, two, ten = _v("1.1.0"), _v("1.2.0"), _v("1.10.0")
    written = dump(Manifest(migrations={(two, ten): (), (ten, two): (), (one, two): ()}))
    assert list(json.loads(written)["migrations"]) == [
        "(1.1.0, 1.2.0)",
        "(1.10.0, 1.2.0)",
        "(1.2.0, 1.10.0)",
    ]


def test_waves_are_written_in_utc_and_whole_seconds_never_earlier() -> None:
    start = datetime(2031, 4, 7, 9, 0, 0, 1, tzinfo=UTC)
    (update,) = parse(EXAMPLE).updates
    schedule = Schedule((Wave(0, start), Wave(7, start + timedelta(days=1))))
    written = update_as_json(
        Update(
            update.variant, update.arch, update.version, update.max_version, schedule, update.images
        )
    )
    assert written["waves"] == {"0": "2031-04-07T09:00:01Z", "7": "2031-04-08T09:00:01Z"}


def test_text_is_written_as_utf_8() -> None:
    data = _changed("updates", 0, "variant", to="größe")
    assert "größe".encode() in dump(parse(data))


def test_an_edge_is_written_with_one_space() -> None:
    assert edge_key((_v("1.0.0"), _v("1.1.0-rc.1"))) == "(1.0.0, 1.1.0-rc.1)"
