from __future__ import annotations

import pytest

from updog.errors import UnreachableError
from updog.httpanswer import next_address, retry_after, shown, start, total, validator

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


class Head:
    """An answer without a body."""

    def __init__(self, status: int, /, **headers: str) -> None:
        self.status = status
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def header(self, name: str) -> str:
        return self._headers.get(name, "")

    def read1(self, amount: int) -> bytes:
        return b""[:amount]

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("61", 60),
        ("9" * 30, 0),
        ("-1", 0),
        ("1.5", 0),
        ("\u0667", 0),
        ("Sun, 06 Nov 1994 08:49:50 GMT", 13),
        ("Sun, 06 Nov 1994 09:49:50 GMT", 60),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:50 GMT", 13),
        ("Sun, 99 Nov 1994 08:49:50 GMT", 0),
        ("Sun, 06 Nov 1994 08:49:50", 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_a_server_may_ask_to_come_back_later(told: str, seconds: float) -> None:
    assert retry_after(Head(503, Retry_After=told, Date=DATE)) == seconds


def test_a_date_without_the_servers_own_time_says_nothing() -> None:
    assert retry_after(Head(503, Retry_After=DATE)) == 0


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"ETag": '"abc"', "Last_Modified": DATE}, '"abc"'),
        ({"ETag": 'W/"abc"', "Last_Modified": DATE}, ""),
        ({"Last_Modified": DATE}, DATE),
        ({}, ""),
    ],
)
def test_only_what_names_the_very_bytes_makes_a_range_conditional(
    headers: dict[str, str], found: str
) -> None:
    assert validator(Head(200, **headers)) == found


@pytest.mark.parametrize("told", ["bytes 5-9/10", "bytes 5-9/*"])
def test_the_rest_of_a_file_is_taken(told: str) -> None:
    assert start(Head(206, Content_Range=told), 5, "u") == 5


@pytest.mark.parametrize(
    "told", ["bytes 5-8/10", "bytes 4-9/10", "bytes 5-10/10", "bytes 5-9", "5-9/10", ""]
)
def test_another_part_is_refused(told: str) -> None:
    with pytest.raises(UnreachableError, match="range"):
        start(Head(206, Content_Range=told), 5, "u")


def test_a_redirect_may_go_from_http_to_https_and_not_back() -> None:
    assert next_address("http://a/b", "https://a/c") == "https://a/c"
    assert next_address("https://a/b", "//c/d") == "https://c/d"
    with pytest.raises(UnreachableError, match="refused"):
        next_address("https://a/b", "http://a/c")


def test_addresses_are_shown_without_secrets() -> None:
    assert shown("https://me:pw@a:1/b?seed=7#x") == "https://a:1/b"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (Head(200, Content_Length="7"), 7),
        (Head(200), None),
        (Head(200, Content_Length="-7"), None),
        (Head(200, Content_Length="\u0667"), None),
        (Head(200, Content_Length="9" * 5000), None),
        (Head(206, Content_Length="3", Content_Range="bytes 4-6/7"), 7),
        (Head(206, Content_Length="3", Content_Range="bytes 4-6/*"), None),
        (Head(206, Content_Length="3"), None),
    ],
)
def test_the_length_of_the_whole_file_is_known_beforehand(head: Head, length: int | None) -> None:
    assert total(head) == length
