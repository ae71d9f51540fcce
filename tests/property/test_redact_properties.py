"""No secret comes through, wherever it stands."""

from __future__ import annotations

import string
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.redact import HIDDEN, SHOWN_PARAMETERS, Redactor, redactor

pytestmark = pytest.mark.property
SETTINGS = settings(max_examples=150, deadline=None)

# Of other letters than the text around them, so that they stand nowhere else.
secrets = st.text(string.ascii_uppercase + string.digits, min_size=12, max_size=40)
odd_secrets = st.text(min_size=12, max_size=40).filter(lambda text: text.strip() == text)
words = st.text(string.ascii_lowercase + " .,:;()[]'\"\n", max_size=60)
schemes = st.sampled_from(["http", "https", "s3", "ftp", "socks5", "HTTPS"])
hosts = st.sampled_from(["updates.example.com", "127.0.0.1:8000", "[::1]:443", "cdn"])
paths = st.sampled_from(["", "/", "/metadata/1.root.json", "/targets/a%20b.lz4"])
names = st.text(string.ascii_letters + "-_", min_size=1, max_size=20).filter(
    lambda name: name not in SHOWN_PARAMETERS
)
telling = st.sampled_from(
    [
        *("passphrase", "password", "db_password", "AWS_SECRET_ACCESS_KEY", "client-secret"),
        *("api_key", "X-Api-Key", "pin-value", "private_key", "session-token", "credential"),
    ]
)


@SETTINGS
@given(words, schemes, secrets, secrets, hosts, paths, words)
def test_credentials_of_addresses(
    before: str, scheme: str, user: str, password: str, host: str, path: str, after: str
) -> None:
    text = f"{before} {scheme}://{user}:{password}@{host}{path} {after}"
    shown = Redactor()(text)
    assert user not in shown
    assert password not in shown
    assert host in shown


@SETTINGS
@given(words, schemes, hosts, paths, st.dictionaries(names, secrets, min_size=1), words)
def test_parameters_that_are_not_ours(
    before: str, scheme: str, host: str, path: str, query: dict[str, str], after: str
) -> None:
    shown = Redactor()(f"{before} {scheme}://{host}{path}?{urlencode(query)} {after}")
    assert not [secret for secret in query.values() if secret in shown]
    assert all(quote(name) in shown for name in query)


@SETTINGS
@given(
    hosts, paths, st.dictionaries(st.sampled_from(sorted(SHOWN_PARAMETERS)), secrets, min_size=1)
)
def test_our_own_parameters_stay(host: str, path: str, query: dict[str, str]) -> None:
    address = f"https://{host}{path}?{urlencode(query)}"
    assert Redactor()(address) == address


@SETTINGS
@given(words, telling, st.sampled_from(["=", ": ", ":", " = "]), secrets, words)
def test_values_whose_names_tell(
    before: str, name: str, between: str, secret: str, after: str
) -> None:
    for value in (secret, f'"{secret}"', f"'{secret}'"):
        shown = Redactor()(f"{before}\n{name}{between}{value} {after}")
        assert secret not in shown
        assert name in shown


@SETTINGS
@given(secrets, secrets, words)
def test_headers_to_the_end_of_their_line(first: str, second: str, after: str) -> None:
    for header in (
        "Authorization: Basic",
        "proxy-authorization: Bearer",
        "Cookie:",
        "X-Auth-Token:",
    ):
        shown = Redactor()(f"> {header} {first}; more={second}\n{after}")
        assert first not in shown
        assert second not in shown
        assert shown.endswith(after)


@SETTINGS
@given(
    words,
    st.sampled_from(["", "RSA ", "EC ", "ENCRYPTED "]),
    secrets,
    words,
    st.sampled_from(["whole", "cut"]),
)
def test_private_keys_even_cut_off(
    before: str, kind: str, secret: str, after: str, how: str
) -> None:
    end = f"-----END {kind}PRIVATE KEY-----\n{after}" if how == "whole" else ""
    text = f"{before}-----BEGIN {kind}PRIVATE KEY-----\n{secret}\n{end}"
    assert secret not in Redactor()(text)


@SETTINGS
@given(words, st.lists(odd_secrets, min_size=1, max_size=4), words)
def test_what_the_environment_holds_wherever_it_stands(
    before: str, values: list[str], after: str
) -> None:
    hide = redactor({f"UPDOG_PASSPHRASE_{number}": value for number, value in enumerate(values)})
    # One secret may be made of another one and of what replaces it.
    for value in values:
        shown = hide(f"{before}{value}{after}")
        assert value not in shown or value in f"{before}{HIDDEN}{after}"


@SETTINGS
@given(words)
def test_text_without_secrets_stays(text: str) -> None:
    assert redactor({"UPDOG_PASSPHRASE": "correct horse battery"})(text) == text


@SETTINGS
@given(words, schemes, secrets, hosts)
def test_twice_is_no_more_than_once(before: str, scheme: str, secret: str, host: str) -> None:
    once = Redactor()(f"{before} {scheme}://me:{secret}@{host}/?key={secret} password={secret}")
    assert Redactor()(once) == once


@pytest.mark.parametrize("name", ["PATH", "HOME", "UPDOG_CONFIG", "LANG"])
def test_other_variables_are_no_secrets(name: str) -> None:
    assert redactor({name: "/usr/bin/somewhere"}).known == ()


def test_short_values_are_left_alone() -> None:
    assert redactor({"UPDOG_HSM_PIN": "1"})("1 of 2") == "1 of 2"
    assert redactor({"UPDOG_HSM_PIN": "1234"})("the pin 1234") == f"the pin {HIDDEN}"


def test_tokens_of_pkcs11_addresses() -> None:
    shown = Redactor()("pkcs11:token=prod;object=root?pin-value=98765 cannot be opened")
    assert shown == f"pkcs11:token=prod;object=root?pin-value={HIDDEN} cannot be opened"


def test_what_follows_the_name_of_a_file_is_no_secret() -> None:
    said = "cannot open '/etc/passwd': refused"
    assert Redactor()(said) == said


@pytest.mark.parametrize("word", ["x", "x-", "secret", "x-token-", "a://", "bearer ", "'", "= "])
def test_long_lines_of_anything_are_read_in_passing(word: str) -> None:
    # With a repetition that is tried again from every place, this would take hours.
    assert Redactor()(word * (300_000 // len(word)))
