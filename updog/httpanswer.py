"""What an HTTP answer means: usable, absent, elsewhere, later, or none of our business."""

from __future__ import annotations

import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

from updog.errors import NotThere, UnreachableError
from updog.patience import LONGEST_RETRY_AFTER, TryAgain
from updog.wire import Answer, WireError

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_ABSENT_HINT = "Check the addresses in the configuration; 'updog doctor' tries each of them."
_WORTH_RETRYING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)
_LENGTH = re.compile(r"\d{1,19}", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_SHORT_BODY = 1 << 16


def usable(answer: Answer, url: str) -> Answer:
    """Return an answer that carries the file, or a part of it.

    Raises:
        NotThere: 403, 404 or 410 (formats 7).
        TryAgain: 408, 429 or 5xx, with what the server said about when.
        UnreachableError: any other status, or a body that was encoded.
    """
    status = answer.status
    sent = status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
    encoding = answer.header("Content-Encoding") or "identity"
    if sent and encoding == "identity":
        return answer
    discard(answer)
    if status in _ABSENT:
        raise NotThere(f"{url} does not exist ({status})", hint=_ABSENT_HINT)
    if status in _WORTH_RETRYING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TryAgain(f"{url} was answered with {status}", after=retry_after(answer))
    if sent:
        raise UnreachableError(f"{url} was sent with Content-Encoding {encoding!r}, unasked")
    raise UnreachableError(f"{url} was answered with {status}")


def discard(answer: Answer) -> None:
    """Read a short body that nobody wants, so that the connection can serve the next request."""
    told = answer.header("Content-Length")
    try:
        if told.isdecimal() and int(told) <= _SHORT_BODY:
            while answer.read1(_SHORT_BODY):
                pass
    except WireError:
        # What was wanted, the status, is known; the next request gets a new connection.
        pass
    finally:
        answer.close()


def start(answer: Answer, offset: int, url: str) -> int:
    """Return where the bytes of an answer begin, which need not be where we asked for.

    Raises:
        UnreachableError: it is a part that nobody asked for; the answer is closed.
    """
    if answer.status == HTTPStatus.OK:
        return 0
    told = answer.header("Content-Range")
    found = _CONTENT_RANGE.fullmatch(told)
    # We ask for everything from the offset on: a part that ends early is another part.
    whole = found is not None and (found[3] == "*" or int(found[2]) + 1 == int(found[3]))
    if not offset or found is None or int(found[1]) != offset or not whole:
        answer.close()
        raise UnreachableError(f"{url} was answered with the range {told!r}, not from {offset}")
    return offset


def total(answer: Answer) -> int | None:
    """Return the bytes of the whole file as the server tells them; None where it does not."""
    if answer.status == HTTPStatus.OK:
        told = answer.header("Content-Length")
        return int(told) if _LENGTH.fullmatch(told) else None
    found = _CONTENT_RANGE.fullmatch(answer.header("Content-Range"))
    return int(found[3]) if found is not None and found[3] != "*" else None


def validator(answer: Answer) -> str:
    """Return what tells this content from another one, fit for ``If-Range``; empty if nothing."""
    tag = answer.header("ETag")
    if tag.startswith('"') and tag.isprintable():
        return tag
    # Weak tags may stand for other bytes.
    return "" if tag else answer.header("Last-Modified")


def retry_after(answer: Answer) -> float:
    """Return the seconds that the server asked us to wait, at most `LONGEST_RETRY_AFTER`.

    A date is taken relative to the answer's own ``Date``: this machine's clock may be wrong.
    """
    told = answer.header("Retry-After").strip()
    if _SECONDS.fullmatch(told):
        return min(float(told), LONGEST_RETRY_AFTER)
    until, since = _moment(told), _moment(answer.header("Date"))
    if until is None or since is None:
        return 0.0
    return min(max((until - since).total_seconds(), 0.0), LONGEST_RETRY_AFTER)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # A date without a zone cannot be compared; HTTP dates always have one.
    return moment if moment.tzinfo else None


def next_address(address: str, location: str) -> str:
    """Return where a redirect leads.

    Raises:
        UnreachableError: nowhere, to another scheme, or from https to http.
    """
    try:
        target = urljoin(address, location)
        before, after = urlsplit(address).scheme, urlsplit(target).scheme
    except ValueError as error:
        raise UnreachableError(f"{shown(address)} redirects to no address: {error}") from error
    if not location or after not in {"http", "https"} or (before, after) == ("https", "http"):
        raise UnreachableError(f"{shown(address)} redirects to {shown(target)!r}: refused")
    return target


def shown(url: str) -> str:
    """Return an address for messages: without parameters, and without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
