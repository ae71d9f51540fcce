"""Whom to believe, and who we are: one TLS context for both transports, and pinned keys.

The authorities are the system's, where OpenSSL looks for them, or those of ``ca_file`` alone. A
list bundled with a Python package would not know what the machine's owner added or took away.
"""

from __future__ import annotations

import hashlib
import ssl

from updog.errors import ConfigError
from updog.wire import FetchSettings


def context(settings: FetchSettings) -> ssl.SSLContext:
    """Return the context for every connection.

    Raises:
        ConfigError: a certificate file cannot be used, or a key needs a passphrase.
    """
    return _with_client(_believing(settings), settings)


def _believing(settings: FetchSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ConfigError(f"ca_file: {settings.ca_file} holds no certificates: {error}") from error


def _with_client(made: ssl.SSLContext, settings: FetchSettings) -> ssl.SSLContext:
    if settings.client_cert is None:
        return made
    try:
        # Without an answer here, OpenSSL would ask for a passphrase on the terminal, and wait.
        made.load_cert_chain(settings.client_cert, settings.client_key, password="")
    except (OSError, ValueError) as error:
        where = settings.client_key or settings.client_cert
        raise ConfigError(
            f"client_cert: {settings.client_cert} with the key in {where} cannot be used: {error}",
            hint="Both must be PEM, belong together, and the key must have no passphrase.",
        ) from error
    return made


def check_pins(connected: object, pins: frozenset[bytes]) -> None:
    """Refuse a server whose public key is not among the pinned ones, before anything is sent.

    Args:
        connected: the socket after its handshake.
        pins: SHA-256 of each SubjectPublicKeyInfo allowed; empty allows any.

    Raises:
        ssl.SSLCertVerificationError: it is another key.
    """
    if not pins:
        return
    shown = connected.getpeercert(binary_form=True) if isinstance(connected, ssl.SSLSocket) else b""
    if not shown or public_key_hash(shown) not in pins:
        raise ssl.SSLCertVerificationError("the server's public key is none of pin_sha256")


def public_key_hash(certificate: bytes) -> bytes:
    """Return the SHA-256 of the SubjectPublicKeyInfo of a DER certificate.

    Raises:
        ssl.SSLCertVerificationError: it holds no key that we know.
    """
    # Only where keys are pinned: importing it costs more than a handshake.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        PublicFormat,
    )

    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ssl.SSLCertVerificationError("the server's public key is of no known kind") from error
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()
