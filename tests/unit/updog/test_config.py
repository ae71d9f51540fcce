from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from partitions.layout import Slot
from updog import config
from updog.config import KEYS, load
from updog.errors import ConfigError
from updog.settings import Backend, Boot, Download, Mirror, Paths, Settings
from updog.version import Version

URLS = 'metadata_base_url = "https://host/m/"\ntargets_base_url = "https://host/t/"\n'

EVERYTHING = """
metadata_base_url = "https://host/2031/edge-gw/x86_64/"
targets_base_url = "https://host/2031/targets///"
seed = 2047
version_lock = "v1.2.3"
ignore_waves = true
https_proxy = "http://proxy:3128"
no_proxy = ["localhost", ".internal"]
[policy]
blocked_versions = ["1.1.0", "v1.2.0"]
[paths]
state_dir = "/s"
lock = "/l"
trusted_root = "/r"
os_release = "/o"
migrations_dir = "/m"
metadata_cache_dir = "/c"
[boot]
disk = "/images/disk.img"
active = "B"
tries = 15
reboot_command = ["/bin/true", "now"]
backend = "systemd-boot"
esp = "/boot"
entries = ["os-a", "os-b"]
[download]
timeout_connect = 1
timeout_stall = 2.5
retries = 0
ca_file = "/ca.pem"
client_cert = "/cert.pem"
client_key = "/key.pem"
send_host_info = false
headers = { X-Fleet = "edge", Authorization = "Bearer abc" }
rate_limit = 4000
pin_sha256 = ["{HEX}", "sha256//{BASE64}"]
mirrors = [{ metadata = "https://b/m/", targets = "/srv/targets" }, { targets = "https://c" }]
""".replace("{HEX}", "ab" * 32).replace("{BASE64}", b64encode(bytes(32)).decode())


def load_text(folder: Path, text: str, **dropins: str) -> Settings:
    path = folder / "updog.toml"
    path.write_text(text)
    for name, content in dropins.items():
        (folder / "updog.d").mkdir(exist_ok=True)
        (folder / "updog.d" / f"{name}.toml").write_text(content)
    return load(path)


def test_two_urls_are_enough(tmp_path: Path) -> None:
    assert load_text(tmp_path, URLS) == Settings("https://host/m", "https://host/t")


def test_every_key_reaches_the_settings(tmp_path: Path) -> None:
    assert load_text(tmp_path, EVERYTHING) == Settings(
        metadata_base_url="https://host/2031/edge-gw/x86_64",
        targets_base_url="https://host/2031/targets",
        seed=2047,
        version_lock=Version.parse("1.2.3"),
        ignore_waves=True,
        blocked_versions=frozenset({Version.parse("1.1.0"), Version.parse("1.2.0")}),
        https_proxy="http://proxy:3128",
        no_proxy=("localhost", ".internal"),
        paths=Paths(*(Path(f"/{name}") for name in "slromc")),
        boot=Boot(
            Path("/images/disk.img"),
            Slot.B,
            15,
            ("/bin/true", "now"),
            Backend.SYSTEMD_BOOT,
            Path("/boot"),
            ("os-a", "os-b"),
        ),
        download=Download(
            timeout_connect=1.0,
            timeout_stall=2.5,
            retries=0,
            ca_file=Path("/ca.pem"),
            client_cert=Path("/cert.pem"),
            client_key=Path("/key.pem"),
            pins=frozenset({b"\xab" * 32, bytes(32)}),
            headers={"X-Fleet": "edge", "Authorization": "Bearer abc"},
            mirrors=(
                Mirror("https://b/m", "file:///srv/targets"),
                Mirror(targets="https://c"),
            ),
            rate_limit=4000,
            send_host_info=False,
        ),
    )


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()
    missing = {name for name in KEYS if f"`{name.rpartition('.')[2]}`" not in page}
    assert not missing


def test_latest_is_no_lock(tmp_path: Path) -> None:
    assert load_text(tmp_path, URLS + 'version_lock = "latest"').version_lock is None


def test_drop_ins_win_in_the_order_of_their_names(tmp_path: Path) -> None:
    settings = load_text(
        tmp_path, URLS + "seed = 1", b="seed = 3", a="seed = 2\nignore_waves = true"
    )
    assert (settings.seed, settings.ignore_waves) == (3, True)


def test_a_drop_in_changes_one_key_of_a_table_and_keeps_the_others(tmp_path: Path) -> None:
    settings = load_text(tmp_path, EVERYTHING, a="[boot]\ntries = 3")
    assert (settings.boot.tries, settings.boot.active) == (3, Slot.B)


def test_a_drop_in_can_repair_a_bad_value(tmp_path: Path) -> None:
    assert load_text(tmp_path, URLS + "seed = 9999", a="seed = 1").seed == 1


def test_the_required_urls_may_come_from_a_drop_in(tmp_path: Path) -> None:
    assert load_text(tmp_path, "", a=URLS).metadata_base_url == "https://host/m"


def test_other_files_beside_the_drop_ins_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "updog.d").mkdir()
    for name in ("a.toml.bak", ".hidden.toml", "README"):
        (tmp_path / "updog.d" / name).write_text("nonsense")
    assert load_text(tmp_path, URLS).seed is None


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no configuration file") as caught:
        load(tmp_path / "updog.toml")
    assert "--config" in caught.value.hint


@pytest.mark.parametrize("name", ["metadata_base_url", "targets_base_url"])
def test_a_missing_url_is_named(tmp_path: Path, name: str) -> None:
    text = "\n".join(line for line in URLS.splitlines() if not line.startswith(name))
    with pytest.raises(ConfigError, match=f"required key {name} is missing"):
        load_text(tmp_path, text)


@pytest.mark.parametrize(
    "name", ["sed", "paths.datastor", "schedule.calendar", "download.mirror", "scheduled"]
)
def test_an_unknown_key_is_refused_with_its_file(tmp_path: Path, name: str) -> None:
    table, _, key = name.rpartition(".")
    dropin = (f"[{table}]\n" if table else "") + f"{key} = 1"
    with pytest.raises(ConfigError, match=rf"updog\.d/a\.toml: unknown key {name}"):
        load_text(tmp_path, URLS, a=dropin)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed = 2048", r"seed: must lie in 0\.\.2047, not 2048"),
        ("seed = -1", r"seed: must lie in 0\.\.2047"),
        ("seed = true", "seed: must be a whole number, not a boolean"),
        ('seed = "7"', "seed: must be a whole number, not a string"),
        ("seed = 7.0", "seed: must be a whole number, not a float"),
        ("seed = 2031-01-01", "seed: must be a whole number, not a date or time"),
        ('version_lock = "vv1.2.3"', "version_lock: must be a version"),
        ('version_lock = "newest"', "version_lock: must be a version"),
        ("ignore_waves = 1", "ignore_waves: must be true or false, not an integer"),
        ("no_proxy = 'localhost'", "no_proxy: must be a list of strings, not a string"),
        ("no_proxy = ['']", "no_proxy: item 0 must be a string that is not empty"),
        ("[policy]\nblocked_versions = ['1']", "blocked_versions: must be a version"),
        ("[paths]\nlock = 'run/lock'", "lock: must be an absolute path, not 'run/lock'"),
        ("[boot]\ntries = 0", r"tries: must lie in 1\.\.15"),
        ("[boot]\ntries = 16", r"tries: must lie in 1\.\.15"),
        ("[boot]\ndisk='/d'\nactive = 'C'", 'active: must be "A" or "B"'),
        ("[boot]\nactive = 'A'", r"boot\.active needs boot\.disk"),
        ("[boot]\nreboot_command = []", "must name a program"),
        ("[boot]\nbackend = 'lilo'", "backend: must be one of gptprio, systemd-boot"),
        ("[boot]\nentries = ['a']", "entries: must be two different names"),
        ("[boot]\nentries = ['a', 'a']", "entries: must be two different names"),
        ("[boot]\nentries = ['a', 'b+1']", "entries: must be two different names"),
        ("[boot]\nentries = ['a', 'B']", "entries: must be two different names"),
        ("[download]\ntimeout_stall = 0", "must be above 0"),
        ("[download]\ntimeout_stall = nan", "must be above 0"),
        ("[download]\ntimeout_stall = '1'", "must be a number of seconds, not a string"),
        ("[download]\nretries = 101", r"must lie in 0\.\.100"),
        ("[download]\nclient_key = '/k'", r"needs download\.client_cert"),
        ("[download]\nheaders = 1", "must be a table of strings"),
        ('[download]\nheaders = {A = "b\\r\\nC: d"}', "header 'A' must be a string on one line"),
        ("[download]\nheaders = {'a b' = 'c'}", "header 'a b' is no name"),
        ("[download]\nheaders = {range = 'c'}", "header 'range' is set by updog itself"),
        ("[download]\nheaders = {A = 'ä'}", "must be a string on one line, in ASCII"),
        ("[download]\nrate_limit = -1", "must lie in 0"),
        ("[download]\npin_sha256 = ['abc']", "item 0 must be a SHA-256 in base64 or hex"),
        ("[download]\npin_sha256 = ['====']", "item 0 must be a SHA-256 in base64 or hex"),
        ("[download]\npin_sha256 = ['ä']", "item 0 must be a SHA-256 in base64 or hex"),
        ("[download]\nmirrors = 'https://b'", "must be a list of tables"),
        ("[download]\nmirrors = ['https://b']", "item 0 must be a table"),
        ("[download]\nmirrors = [{}]", "item 0 must be a table"),
        ("[download]\nmirrors = [{images = 'https://b'}]", "item 0 must be a table"),
        ("[download]\nmirrors = [{targets = 'b'}]", "item 0 must be an http, https or file"),
        ("boot = 1", r"boot must be a table, written as \[boot\]"),
    ],
)
def test_a_bad_value_is_refused_by_name(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_text(tmp_path, URLS, a=line)
    assert "updog.d/a.toml" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["host/m", "ftp://host/m", "https://", "https://h/m?x=1", "http:/h"]
)
def test_a_bad_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="metadata_base_url: must be"):
        load_text(tmp_path, f'metadata_base_url = "{url}"\ntargets_base_url = "http://h"')


def test_a_local_folder_can_be_the_repository(tmp_path: Path) -> None:
    text = 'metadata_base_url = "file:///srv/m"\ntargets_base_url = "file:///srv/t"'
    assert load_text(tmp_path, text).metadata_base_url == "file:///srv/m"


@pytest.mark.parametrize(
    "content",
    [b"no_proxy = " + b"[" * 5000, b"no_proxy = [{" + b"a." * 50000 + b"a = 1}]"],
    ids=["in the file", "in a value"],
)
def test_endless_nesting_is_an_error_of_ours(content: bytes) -> None:
    with pytest.raises(ConfigError, match=r"nested too deeply|recursion"):
        config.to_settings(config.parse_fragment(content, Path("/updog.toml")))


def test_an_endless_name_does_not_fill_the_screen() -> None:
    with pytest.raises(ConfigError, match="unknown key aaa") as caught:
        config.parse_fragment(b"a" * 100_000 + b" = 1", Path("/updog.toml"))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("content", [b"= 1", b"\xff\xfe", b"a = 1\na = 2"])
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "updog.toml").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a TOML file"):
        load(tmp_path / "updog.toml")


def test_an_endless_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is longer than"):
        load_text(tmp_path, "#" * ((1 << 20) + 1))


def test_a_folder_is_not_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
