from __future__ import annotations

import re
from pathlib import Path

from updog.service.openapi import ENDPOINTS

PAGE = Path(__file__).resolve().parents[4] / "docs/update-api.md"
ROW = re.compile(r"\| `(GET|POST) (\S+)` \| (\d+) \|([^|]*)\|")
GROUPS = 403  # said once, below the table


def test_the_page_has_each_request_with_its_codes() -> None:
    shown = {
        (method, uri.replace("NUMBER", "{number}")): {
            int(done),
            *map(int, re.findall(r"\d{3}", errors)),
        }
        for method, uri, done, errors in ROW.findall(PAGE.read_text())
    }
    assert shown == {(each.method, each.path): set(each.answers) - {GROUPS} for each in ENDPOINTS}


def test_each_answer_may_be_that_the_peer_is_in_no_group() -> None:
    assert all(GROUPS in each.answers for each in ENDPOINTS)


def test_what_changes_something_is_posted() -> None:
    assert all(each.acts == (each.method == "POST") for each in ENDPOINTS)
