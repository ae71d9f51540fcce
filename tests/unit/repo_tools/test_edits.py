from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repo_tools import edits
from updog.errors import ManifestError, UsageError
from updog.manifest import Images, Manifest, Update
from updog.version import Version
from waves.schedule import Schedule, Wave

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
WAVES = Schedule((Wave(0, NOW), Wave(1024, NOW + timedelta(days=1))))


def _v(text: str) -> Version:
    return Version.parse(text)


def _update(version: str, max_version: str = "1.0.0", arch: str = "x86_64") -> Update:
    images = Images(f"boot-{version}", f"root-{version}", f"hash-{version}")
    return Update("edge", arch, _v(version), _v(max_version), Schedule(), images)


def _maxima(manifest: Manifest) -> list[str]:
    return [str(update.max_version) for update in manifest.updates]


def test_the_first_update_has_itself_as_maximum() -> None:
    assert _maxima(edits.add(Manifest(), _update("1.2.0"))) == ["1.2.0"]


def test_an_update_is_appended() -> None:
    manifest = edits.add(Manifest((_update("1.2.0"),)), _update("1.1.0"))
    assert [str(update.version) for update in manifest.updates] == ["1.2.0", "1.1.0"]


def test_a_newer_update_raises_the_maximum_of_all_of_its_kind() -> None:
    manifest = Manifest((_update("1.1.0", "1.1.0"), _update("1.0.0", "1.1.0")))
    assert _maxima(edits.add(manifest, _update("1.2.0"))) == ["1.2.0"] * 3


def test_an_older_update_takes_the_maximum_of_the_first() -> None:
    manifest = Manifest((_update("1.5.0", "2.0.0"), _update("1.4.0", "1.9.0")))
    assert _maxima(edits.add(manifest, _update("1.2.0"))) == ["2.0.0"] * 3


def test_the_first_update_sets_the_maximum_even_of_another_architecture() -> None:
    manifest = Manifest((_update("1.5.0", "2.0.0", arch="aarch64"), _update("1.1.0", "1.1.0")))
    assert _maxima(edits.add(manifest, _update("1.2.0"))) == ["2.0.0", "2.0.0", "2.0.0"]


def test_no_update_but_the_first_sets_the_maximum() -> None:
    manifest = Manifest((_update("1.1.0", "1.1.0"), _update("1.5.0", "3.0.0", arch="aarch64")))
    assert _maxima(edits.add(manifest, _update("1.2.0"))) == ["1.2.0", "3.0.0", "1.2.0"]


def test_updates_of_another_kind_keep_their_maximum() -> None:
    manifest = Manifest((_update("1.1.0", "1.1.0", arch="aarch64"),))
    assert _maxima(edits.add(manifest, _update("1.2.0"))) == ["1.1.0", "1.2.0"]


def test_a_given_maximum_goes_to_all_of_its_kind() -> None:
    manifest = Manifest((_update("1.5.0", "2.0.0"),))
    added = edits.add(manifest, _update("1.2.0"), max_version=_v("1.3.0"))
    assert _maxima(added) == ["1.3.0", "1.3.0"]


@pytest.mark.parametrize("given", [None, _v("1.2.0")])
def test_a_release_that_was_called_back_does_not_come_back_with_the_next(
    given: Version | None,
) -> None:
    before = Manifest((_update("1.0.0", "1.1.0"), _update("1.1.0", "1.0.0")))
    after = edits.add(before, _update("1.2.0", "1.2.0"), max_version=given)
    with pytest.raises(UsageError, match=r"edge x86_64 1\.1\.0 is held back by its maximum"):
        edits.check_recalls(before, after)


def test_a_release_that_stays_called_back_is_no_hindrance() -> None:
    before = Manifest((_update("1.0.0", "1.0.0"), _update("1.1.0", "1.0.0")))
    edits.check_recalls(before, edits.add(before, _update("1.0.1", "1.0.1")))


def test_an_added_update_has_no_waves_yet() -> None:
    added = edits.add(Manifest(), replace(_update("1.2.0"), schedule=WAVES))
    assert added.updates[0].schedule == Schedule()


def test_an_update_that_is_there_already_is_refused() -> None:
    with pytest.raises(UsageError, match=r"edge x86_64 1\.2\.0 is in the manifest already"):
        edits.add(Manifest((_update("1.2.0"),)), _update("1.2.0"))


@pytest.mark.parametrize("other", [_update("1.2.0+b"), _update("1.2.0", arch="aarch64")])
def test_an_update_that_differs_in_build_or_architecture_is_another(other: Update) -> None:
    assert len(edits.add(Manifest((_update("1.2.0"),)), other).updates) == 2


def test_removing_keeps_all_other_updates_and_their_maxima() -> None:
    manifest = Manifest((_update("1.1.0", "1.2.0"), _update("1.2.0", "1.2.0")))
    assert edits.remove(manifest, "edge", "x86_64", _v("1.2.0")).updates == manifest.updates[:1]


def test_waves_replace_those_of_the_update_alone() -> None:
    manifest = Manifest((_update("1.1.0"), replace(_update("1.2.0"), schedule=WAVES)))
    later = Schedule((Wave(0, NOW + timedelta(days=9)),))
    changed = edits.set_waves(manifest, "edge", "x86_64", _v("1.2.0"), later)
    assert [update.schedule for update in changed.updates] == [Schedule(), later]


@pytest.mark.parametrize(
    ("variant", "arch", "changed"),
    [
        (None, None, ["2.0.0", "2.0.0"]),
        (None, "x86_64", ["2.0.0", "1.0.0"]),
        ("edge", "aarch64", ["1.0.0", "2.0.0"]),
    ],
)
def test_the_maximum_is_set_where_the_filters_match(
    variant: str | None, arch: str | None, changed: list[str]
) -> None:
    manifest = Manifest((_update("1.0.0"), _update("1.0.0", arch="aarch64")))
    edited = edits.set_max_version(manifest, _v("2.0.0"), variant=variant, arch=arch)
    assert _maxima(edited) == changed


def test_the_maximum_may_be_lowered() -> None:
    manifest = Manifest((_update("1.2.0", "1.2.0"),))
    assert _maxima(edits.set_max_version(manifest, _v("1.1.0"))) == ["1.1.0"]


@pytest.mark.parametrize(
    ("variant", "arch", "version"),
    [("core", "x86_64", "1.2.0"), ("edge", "aarch64", "1.2.0"), ("edge", "x86_64", "1.2.1")],
)
def test_an_edit_that_matches_no_update_is_refused(variant: str, arch: str, version: str) -> None:
    manifest = Manifest((_update("1.2.0"),))
    with pytest.raises(UsageError, match=f"no update for {variant} {arch} {version}"):
        edits.set_waves(manifest, variant, arch, _v(version), WAVES)
    with pytest.raises(UsageError, match=f"no update for {variant} {arch} {version}"):
        edits.remove(manifest, variant, arch, _v(version))


@pytest.mark.parametrize(
    ("variant", "arch", "says"),
    [("core", None, "core any architecture"), (None, "arm", "any variant arm")],
)
def test_a_maximum_that_matches_no_update_is_refused(
    variant: str | None, arch: str | None, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        edits.set_max_version(
            Manifest((_update("1.0.0"),)), _v("2.0.0"), variant=variant, arch=arch
        )


RELEASE = """
version = "1.2.0"
colour = "green"
[migrations]
"(1.0.0, 1.1.0)" = ["migrate_v1.1.0_b.lz4", "migrate_v1.1.0_a.lz4"]
"(1.1.0, 1.2.0)" = []
"""


def test_a_release_file_says_version_and_migrations() -> None:
    release = edits.read_release(RELEASE, "Release.toml")
    assert release.version == _v("1.2.0")
    assert release.migrations == {
        (_v("1.0.0"), _v("1.1.0")): ("migrate_v1.1.0_b.lz4", "migrate_v1.1.0_a.lz4"),
        (_v("1.1.0"), _v("1.2.0")): (),
    }


def test_migrations_are_replaced_wholesale() -> None:
    before = Manifest((_update("1.2.0"),), {(_v("0.1.0"), _v("0.2.0")): ("old",)})
    after = edits.set_migrations(before, edits.read_release(RELEASE, "Release.toml").migrations)
    assert list(after.migrations) == [(_v("1.0.0"), _v("1.1.0")), (_v("1.1.0"), _v("1.2.0"))]
    assert after.updates == before.updates


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version = ", "Release.toml: not TOML: "),
        ("a = " + "[" * 30_000, "Release.toml: not TOML: "),
        ("version = '1.0.0'", "Release.toml: $: the member 'migrations' is missing"),
        ("[migrations]", "Release.toml: $: the member 'version' is missing"),
        ("version = '1.0'\n[migrations]", "$.version: '1.0' is not a semantic version"),
        ("version = 1\n[migrations]", "$.version: expected a string, found int"),
        ("version = '1.0.0'\nmigrations = 2", "$.migrations: expected an object, found int"),
        (
            "version = '1.0.0'\n[migrations]\n'1.0.0' = []",
            "$.migrations['1.0.0']: a migration key is written '(FROM, TO)'",
        ),
        (
            "version = '1.0.0'\n[migrations]\n'(1.0.0, 1.1.0)' = [1]",
            "$.migrations['(1.0.0, 1.1.0)'][0]: expected a string, found int",
        ),
    ],
)
def test_a_release_file_of_another_form_is_refused(text: str, says: str) -> None:
    with pytest.raises(ManifestError) as refused:
        edits.read_release(text, "Release.toml")
    assert says in str(refused.value)


def test_waves_in_order_are_found_well() -> None:
    manifest = Manifest((_update("1.1.0"), replace(_update("1.2.0"), schedule=WAVES)))
    assert edits.check_waves(manifest) == ()


@pytest.mark.parametrize("hours", [0, -1])
def test_waves_that_do_not_increase_are_named(hours: int) -> None:
    bad = Schedule((Wave(0, NOW), Wave(20, NOW + timedelta(hours=hours))))
    manifest = Manifest((replace(_update("1.1.0"), schedule=bad), _update("1.2.0")))
    (fault,) = edits.check_waves(manifest)
    assert fault.startswith("edge x86_64 1.1.0: the wave of seed 20 (2031-04-07T0")
    assert fault.endswith("does not start after that of seed 0 (2031-04-07T09:00:00Z)")
