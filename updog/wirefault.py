"""What went wrong on the way to a server, in words that tell the causes apart."""

from __future__ import annotations

import socket
import ssl
from enum import Enum

from updog.headway import TooSlow
from updog.wire import BadAddress, TlsError, WireError

_EXPIRED, _NOT_YET = 10, 9
_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}
_WRONG_NAME = {62, 63, 64}
_CERTIFICATE_HINT = "Check the server's certificate, ca_file, and this machine's clock."
_LINE_HINT = "Check the network and any firewall on the way, or try again later."
_TUNNEL = "Tunnel connection failed"


class Doing(Enum):
    """What was being done when it failed."""

    CONNECTING = "connecting"
    PROXY = "proxy"
    TALKING = "talking"


def failure(error: BaseException, doing: Doing = Doing.TALKING) -> WireError:
    """Return a library's error as one of ours, with its innermost reason, which says something."""
    chain = [error]
    while (inner := _inside(chain[-1])) is not None and inner not in chain:
        chain.append(inner)
    found = _named(chain[-1], doing)
    if doing is Doing.PROXY or str(chain[-1]).startswith(_TUNNEL):
        hint = "Check https_proxy, no_proxy, and the proxy variables of the environment."
        return type(found)(f"the proxy failed: {found}", hint=hint)
    return found


def _named(error: BaseException, doing: Doing) -> WireError:
    reason = str(error) or type(error).__name__
    if isinstance(error, ssl.SSLError):
        return _tls(error, reason)
    if isinstance(error, socket.gaierror):
        hint = "Check the address and this machine's DNS."
        return WireError(f"its name cannot be resolved by DNS ({error.strerror})", hint=hint)
    if isinstance(error, ConnectionRefusedError):
        hint = "Check the address and its port, and that the server runs."
        return WireError("connection refused: nothing listens there", hint=hint)
    if isinstance(error, TimeoutError) and not isinstance(error, TooSlow):
        if doing is Doing.TALKING:
            return WireError("it stalled: nothing more came", hint=_LINE_HINT)
        return WireError("no connection in time", hint=_LINE_HINT)
    return BadAddress(reason) if isinstance(error, ValueError) else WireError(reason)


def _tls(error: ssl.SSLError, reason: str) -> WireError:
    # A handshake that broke off is a broken line, not a refused certificate.
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        return WireError(reason)
    code = getattr(error, "verify_code", 0)
    if code == _EXPIRED:
        reason = "the server's certificate has expired"
    elif code == _NOT_YET:
        reason = "the server's certificate is not valid yet"
    elif code in _WRONG_NAME:
        reason = f"the server's certificate is for another name: {error.verify_message}"  # type: ignore[attr-defined]
    elif code in _UNKNOWN_AUTHORITY:
        reason = "the server's certificate is not signed by an authority that we believe"
    return TlsError(f"TLS failed: {reason}", hint=_CERTIFICATE_HINT)


def _inside(error: BaseException) -> BaseException | None:
    told = (getattr(error, "reason", None), *error.args, error.__cause__)
    return next((one for one in told if isinstance(one, BaseException)), None)
