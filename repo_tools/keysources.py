"""Where keys are: a PEM file, a variable of the environment, a cloud's key service, a token.

    keys/root-1.pem  file2:keys/root-1.pem      PEM file, encrypted or not; also a public key alone
    envvar:NAME                                 PEM in a variable of the environment
    awskms:ID  gcpkms:NAME  azurekms://…        securesystemslib's signers, as their URIs say
    hsm:[KEYID][?label=TOKEN]                   PKCS#11, by the library that PYKCS11LIB names

A private key is tied to the key object that stands in the root, so that it signs under that id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import (
    AWSSigner,
    AzureSigner,
    CryptoSigner,
    GCPSigner,
    HSMSigner,
    Key,
    Signer,
    SSlibKey,
)

from repo_tools import keys
from repo_tools.errors import KeyFileError
from repo_tools.passphrases import Secrets

FILE = "file2"
ENVIRONMENT = "envvar"
# What to install for each of the others.
EXTRAS = {"awskms": "aws", "gcpkms": "gcp", "azurekms": "azure", "hsm": "hsm"}
_AZURE_PARTS = 4

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """One place of one key.

    Attributes:
        scheme: `FILE`, `ENVIRONMENT` or one of `EXTRAS`.
        place: what follows the scheme: a path, the name of a variable, an identifier.
    """

    scheme: str
    place: str

    @classmethod
    def parse(cls, text: str, below: Path = Path()) -> Source:
        """Read a URI or a path.

        Args:
            text: as typed or configured.
            below: the folder that relative paths count from.

        Raises:
            KeyFileError: a scheme that is not known.
        """
        scheme, colon, place = text.partition(":")
        if scheme in {ENVIRONMENT, *EXTRAS} and colon:
            return cls(scheme, place)
        if colon and scheme != FILE and "/" not in scheme and not (below / text).exists():
            known = ", ".join(f"{each}:" for each in (FILE, ENVIRONMENT, *EXTRAS))
            raise KeyFileError(
                f"{text!r} names no kind of key that is known.",
                hint=f"Give the path of a PEM file, or one of {known}.",
            )
        return cls(FILE, str(below / (place if scheme == FILE and colon else text)))

    @property
    def name(self) -> str:
        """What it is called where its passphrase is asked for."""
        return Path(self.place).stem if self.scheme == FILE else self.place

    def __str__(self) -> str:
        return self.place if self.scheme == FILE else f"{self.scheme}:{self.place}"


def public_key(source: Source, secrets: Secrets) -> SSlibKey:
    """The public half of the key at ``source``, under the id that clients compute.

    Raises:
        KeyFileError: there is none, or it cannot be reached.
    """
    if source.scheme in EXTRAS:
        return _reaching(source, lambda: _fetched(source, secrets))
    pem = _pem(source, secrets)
    if b"PUBLIC KEY" not in pem:
        return keys.of_private(_private(source, pem, secrets))
    try:
        return SSlibKey.from_crypto(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"The key in {source} cannot be read: {error}.") from error


def open_signer(source: Source, known: Iterable[Key], secrets: Secrets) -> Signer:
    """The private key at ``source``, tied to the one of ``known`` that is its public half.

    Raises:
        KeyFileError: there is none, it cannot be reached, or none of ``known`` belongs to it.
    """
    if source.scheme in EXTRAS:
        key = keys.match(public_key(source, secrets), known, str(source))
        ask = _asker(source, secrets)
        uri = str(source)
        return _reaching(source, lambda: Signer.from_priv_key_uri(uri, key, ask))
    private = _private(source, _pem(source, secrets), secrets)
    return CryptoSigner(private, keys.match(keys.of_private(private), known, str(source)))


def _pem(source: Source, secrets: Secrets) -> bytes:
    if source.scheme == FILE:
        return keys.read_file(Path(source.place))
    text = secrets.environment.get(source.place)
    if text is None:
        raise KeyFileError(
            f"The environment has no variable {source.place}.",
            hint="Set it to the PEM text of the key.",
        )
    return text.encode()


def _private(source: Source, pem: bytes, secrets: Secrets) -> PrivateKeyTypes:
    if b"PUBLIC KEY" in pem:
        raise KeyFileError(f"{source} is a public key; signing takes the private one.")
    what = f"The key file {source}" if source.scheme == FILE else f"The key in {source}"
    return keys.unlocked(pem, what, lambda: secrets.passphrase(source.name))


def _asker(source: Source, secrets: Secrets) -> Callable[[str], str]:
    return lambda _name: secrets.pin(str(source))


def _fetched(source: Source, secrets: Secrets) -> SSlibKey:
    """The public key that a service or token tells."""
    if source.scheme == AWSSigner.SCHEME:
        return AWSSigner.import_(source.place)[1]
    if source.scheme == GCPSigner.SCHEME:
        return GCPSigner.import_(source.place)[1]
    if source.scheme == AzureSigner.SCHEME:
        return AzureSigner.import_(*_azure_names(source))[1]
    parts = urlsplit(f"hsm:{source.place}")
    label = parse_qs(parts.query).get("label", [None])[0]
    number = int(parts.path) if parts.path else None
    return HSMSigner.import_(number, label, _asker(source, secrets))[1]


def _azure_names(source: Source) -> tuple[str, str]:
    """The names of vault and key in ``//VAULT.vault.azure.net/keys/KEY[/VERSION]``."""
    parts = source.place.split("/")
    if len(parts) <= _AZURE_PARTS or parts[:2] != ["", ""] or parts[3] != "keys":
        raise ValueError("not azurekms://VAULT.vault.azure.net/keys/KEY/VERSION")
    return parts[2].partition(".")[0], parts[4]


def _reaching(source: Source, work: Callable[[], T]) -> T:
    """Turn what a service's or token's library raises, whatever it is, into an error of ours."""
    try:
        return work()
    except KeyFileError:
        raise
    except Exception as error:
        detail = str(error) or type(error).__name__
        raise KeyFileError(
            f"The key {source} cannot be reached: {detail}.", hint=_hint(source, error)
        ) from error


def _hint(source: Source, error: Exception) -> str:
    if "required" in str(error) or "requires" in str(error):
        return f"Install what it takes: pip install 'updog-agent[{EXTRAS[source.scheme]}]'"
    if source.scheme == HSMSigner.SCHEME and not os.environ.get("PYKCS11LIB"):
        return "Set PYKCS11LIB to the PKCS#11 library of the token."
    return "Check the identifier, and the credentials in the environment."
