from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from repo_tools import keys
from repo_tools.errors import KeyFileError
from repo_tools.keyring import KeyRing, read_config
from repo_tools.keys import KeyType
from repo_tools.keysources import EXTRAS, Source, open_signer, public_key
from repo_tools.passphrases import Secrets
from updog.errors import ConfigError

NOBODY = Secrets({}, lambda _question: None)


def asked(answers: Mapping[str, str], log: list[str]) -> Secrets:
    """Secrets of a person who answers, and is remembered to have been asked."""

    def ask(question: str) -> str | None:
        log.append(question)
        return answers.get(question)

    return Secrets({}, ask)


@pytest.mark.parametrize(
    ("text", "scheme", "place"),
    [
        ("a.pem", "file2", "/below/a.pem"),
        ("file2:a.pem", "file2", "/below/a.pem"),
        ("file2:/keys/a.pem", "file2", "/keys/a.pem"),
        ("/keys/a:b.pem", "file2", "/keys/a:b.pem"),
        ("envvar:KEY", "envvar", "KEY"),
        ("awskms:arn:aws:kms:eu-west-1:1:key/2", "awskms", "arn:aws:kms:eu-west-1:1:key/2"),
        ("hsm:", "hsm", ""),
    ],
)
def test_forms_of_a_source(text: str, scheme: str, place: str) -> None:
    assert Source.parse(text, Path("/below")) == Source(scheme, place)


@pytest.mark.parametrize("text", ["sigstore:me@example.org", "http://key", "gnupg:123"])
def test_other_schemes_are_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(KeyFileError) as caught:
        Source.parse(text)
    assert all(f"{scheme}:" in caught.value.hint for scheme in EXTRAS)


def test_a_file_whose_name_has_a_colon_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a:b.pem").touch()
    monkeypatch.chdir(tmp_path)
    assert Source.parse("a:b.pem") == Source("file2", "a:b.pem")


def test_a_public_key_is_read_but_does_not_sign(tmp_path: Path) -> None:
    signer = keys.generate(KeyType.ED25519)
    private = load_pem_private_key(signer.private_bytes, None)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "a.pub").write_bytes(pem)
    source = Source.parse("a.pub", tmp_path)
    assert public_key(source, NOBODY).keyid == signer.public_key.keyid
    with pytest.raises(KeyFileError, match="is a public key"):
        open_signer(source, [signer.public_key], NOBODY)


def test_older_forms_of_pem_are_read(tmp_path: Path) -> None:
    signer = keys.generate(KeyType.ECDSA)
    private = load_pem_private_key(signer.private_bytes, None)
    old = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (tmp_path / "a.pem").write_bytes(old)
    opened = open_signer(Source.parse("a.pem", tmp_path), [signer.public_key], NOBODY)
    assert opened.public_key is signer.public_key


def test_a_passphrase_is_asked_for_once_and_only_where_there_is_one(tmp_path: Path) -> None:
    signer = keys.generate(KeyType.ED25519)
    keys.save(tmp_path / "plain.pem", signer)
    keys.save(tmp_path / "locked.pem", signer, passphrase=b"word")
    log: list[str] = []
    secrets = asked({"Passphrase of locked: ": "word"}, log)
    for name in ("plain.pem", "locked.pem", "locked.pem"):
        open_signer(Source.parse(name, tmp_path), [signer.public_key], secrets)
    assert log == ["Passphrase of locked: "]


def test_a_wrong_passphrase_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    signer = keys.generate(KeyType.ED25519)
    keys.save(tmp_path / "a.pem", signer, passphrase=b"word")
    secrets = Secrets({"UPDOG_PASSPHRASE": "hunter2"}, lambda _question: None)
    with pytest.raises(KeyFileError) as caught:
        open_signer(Source.parse("a.pem", tmp_path), [signer.public_key], secrets)
    assert "hunter2" not in f"{caught.value}{caught.value.hint}{caught.value.__cause__}"


def test_secrets_are_not_in_the_representation() -> None:
    secrets = Secrets({"UPDOG_PASSPHRASE": "hunter2"}, {"PIN of t: ": "1234"}.get)
    assert secrets.pin("t") == "1234"
    assert not re.search("hunter2|1234", repr(secrets).replace(repr(secrets.ask), ""))


def test_a_keys_own_variable_comes_first() -> None:
    secrets = Secrets({"UPDOG_PASSPHRASE": "all", "UPDOG_PASSPHRASE_ROOT_1": "one"})
    assert secrets.passphrase("root-1") == b"one"
    assert secrets.passphrase("root-2") == b"all"


@pytest.mark.parametrize(
    ("answers", "said"),
    [(["a", "b"], "differ"), ([""], "protects nothing"), ([], "no terminal")],
)
def test_a_new_passphrase_is_asked_for_twice(answers: list[str], said: str) -> None:
    left = list(answers)
    secrets = Secrets({}, lambda _question: left.pop(0) if left else None)
    with pytest.raises(KeyFileError, match=said):
        secrets.new_passphrase("alice")


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(KeyFileError, match="no variable KEY"):
        public_key(Source("envvar", "KEY"), NOBODY)


def test_an_azure_uri_of_another_shape_is_refused_in_words() -> None:
    with pytest.raises(KeyFileError, match="azurekms://VAULT"):
        public_key(Source.parse("azurekms:vault/key"), NOBODY)


def test_roles_that_the_configuration_does_not_name_have_their_files(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    for name in ("targets.pem", "targets-2.pem", "snapshot.pem"):
        keys.save(tmp_path / "keys" / name, keys.generate(KeyType.ED25519))
    (tmp_path / "keys.toml").write_text('snapshot = ["other/s.pem", "hsm:3?label=a"]\n')
    ring = KeyRing.of_repository(tmp_path, tmp_path / "keys")
    assert [source.name for source in ring.sources("targets")] == ["targets-2", "targets"]
    assert [str(source) for source in ring.sources("snapshot")] == [
        str(tmp_path / "other/s.pem"),
        "hsm:3?label=a",
    ]
    assert ring.sources("timestamp") == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets = ", "not TOML"),
        ('mirrors = ["a.pem"]', "no role"),
        ('targets = "a.pem"', "list of keys"),
        ("targets = []", "list of keys"),
        ("targets = [1]", "list of keys"),
        ('targets = ["ftp:a"]', "no kind of key"),
        ('retired = ["a.pem"]', "has to be a table"),
        ('[retired]\nmirrors = ["a.pem"]', "no role"),
    ],
)
def test_a_wrong_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_config(tmp_path / "keys.toml")
