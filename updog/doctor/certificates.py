"""What a server's certificate says, and why it was refused."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta

from cryptography import x509

from updog.doctor.check import Check, fail, ok, warn
from updog.errors import UnreachableError
from updog.overdue import in_words
from waves.duration import format_moment

SOON = timedelta(days=14)
_NOT_YET, _EXPIRED = 9, 10
_WRONG_NAME = {62, 63, 64}
_DER = 2


def about_verified(secured: ssl.SSLSocket, server: str, now: datetime) -> Check:
    """Tell when the first certificate of the chain that was verified expires."""
    chain = [_parsed(one) for one in _chain(secured)]
    known = [one for one in chain if one is not None]
    if not known:
        return ok("tls", f"{server}: the certificate is valid")
    first = min(known, key=lambda one: one.not_valid_after_utc)
    expires = first.not_valid_after_utc
    said = (
        f"{server}: {len(known)} valid certificates; {_name(first)} expires first, at"
        f" {format_moment(expires)}"
    )
    if expires - now < SOON:
        left = in_words(expires - now) if expires > now else "no time at all"
        return warn("tls", f"{said}, in {left}", "Have it renewed.")
    return ok("tls", said)


def about_refused(
    error: ssl.SSLCertVerificationError, server: str, shown: bytes, now: datetime
) -> Check:
    """Tell why the certificate was refused, and whether the clock may be at fault."""
    said, todo = _refusal(error, server, _parsed(shown), now)
    return fail("tls", said, todo, UnreachableError)


def _refusal(
    error: ssl.SSLCertVerificationError,
    server: str,
    shown: x509.Certificate | None,
    now: datetime,
) -> tuple[str, str]:
    code = getattr(error, "verify_code", 0)
    if code == _EXPIRED:
        # It may be one above it in the chain.
        over = shown is not None and shown.not_valid_after_utc <= now
        when = f" at {format_moment(shown.not_valid_after_utc)}" if shown and over else ""
        todo = "Have it renewed; if this machine's clock is ahead, set that first."
        return f"{server}: the certificate has expired{when}", todo
    if code == _NOT_YET:
        when = f" until {format_moment(shown.not_valid_before_utc)}" if shown else ""
        todo = "This machine's clock is probably behind: set it."
        return f"{server}: the certificate is not valid yet{when}", todo
    if code in _WRONG_NAME:
        names = f"; it is for {', '.join(_names(shown))}" if shown else ""
        todo = "Use one of its names in the configuration, or have it issued for this one."
        return f"{server}: the certificate is for another name{names}", todo
    if not code:
        return f"{server}: {error.args[0]}", "Check pin_sha256, and who answers at that address."
    issuer = f" ({shown.issuer.rfc4514_string()})" if shown else ""
    said = f"{server}: the certificate is not from an authority we believe{issuer}"
    todo = "Set ca_file to its authority; if it should be known, somebody stands in between."
    return f"{said}: {getattr(error, 'verify_message', '')}", todo


def _chain(secured: ssl.SSLSocket) -> list[bytes]:
    """The chain in DER, the server's own first; only that one where Python does not tell more."""
    whole = getattr(secured, "get_verified_chain", None)  # Python 3.13
    if whole is not None:
        return list(whole())
    inner = getattr(getattr(secured, "_sslobj", None), "get_verified_chain", None)
    if inner is not None:
        return [one.public_bytes(_DER) for one in inner() or ()]
    return [secured.getpeercert(binary_form=True) or b""]


def _parsed(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"number {certificate.serial_number:x}"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return [_name(certificate)]
    addresses = found.value.get_values_for_type(x509.IPAddress)
    return [*found.value.get_values_for_type(x509.DNSName), *map(str, addresses)]
