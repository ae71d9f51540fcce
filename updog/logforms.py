"""The forms of log records: a line for people, a JSON object, or fields of the journal.

Whatever the form, secrets are taken out (`updog.redact`).
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from updog import events
from updog.redact import Redactor, redactor

JOURNAL_SOCKET = Path("/run/systemd/journal/socket")
PLAIN = "%(levelname)s %(name)s: %(message)s"


def handler(
    form: str, program: str, command: str, environment: Mapping[str, str]
) -> logging.Handler:
    """Where records go, in their form.

    Args:
        form: one of `updog.logs.FORMS`.
        program: who logs.
        command: what it was told to do.
        environment: see `updog.logs.set_up`.
    """
    hide = redactor(environment)
    named = {"UPDOG_COMMAND": command} if command else {}
    made: logging.Handler
    if form == "journal" or (form == "auto" and _in_journal(environment)):
        from updog import journal  # noqa: PLC0415 - start-up: few have one

        path = _journal_socket(environment)
        made = journal.JournalHandler(path, lambda record: _fields(record, named, hide), program)
        made.setFormatter(_Plain("%(message)s", hide))
    elif form == "json":
        made = logging.StreamHandler(sys.stderr)
        made.setFormatter(_Json(program, named, hide))
    else:
        made = logging.StreamHandler(sys.stderr)
        made.setFormatter(_Plain(PLAIN, hide))
        made.addFilter(_told_elsewhere)
    return made


def keeps_fields(one: logging.Handler) -> bool:
    """Whether a handler passes fields on."""
    return isinstance(one.formatter, _Json) or bool(getattr(one, "keeps_fields", False))


class _Plain(logging.Formatter):
    """A line for people."""

    def __init__(self, pattern: str, hide: Redactor) -> None:
        super().__init__(pattern)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        return self._hide(super().format(record))


class _Json(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, program: str, named: Mapping[str, str], hide: Redactor) -> None:
        super().__init__("%(message)s")
        self._program = program
        self._named = named
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        tree = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "program": self._program,
            "logger": record.name,
            "message": self._hide(super().format(record)),
        }
        fields = _fields(record, self._named, self._hide)
        tree |= {name.lower(): value for name, value in fields.items()}
        return json.dumps(tree, ensure_ascii=False)


def _fields(record: logging.LogRecord, named: Mapping[str, str], hide: Redactor) -> dict[str, str]:
    """What a record tells besides its text, by the names of the journal."""
    told = getattr(record, events.ATTRIBUTE, None)
    fields = told.fields() if isinstance(told, events.Told) else {}
    return {name: hide(value) for name, value in {**named, **fields}.items()}


def _journal_socket(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("UPDOG_JOURNAL_SOCKET") or JOURNAL_SOCKET)


def _in_journal(environment: Mapping[str, str]) -> bool:
    if not environment.get("JOURNAL_STREAM"):
        return False
    from updog import journal  # noqa: PLC0415 - start-up: few have one

    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return False
    here = _journal_socket(environment).exists()
    return here and journal.stream_is_journal(environment, descriptor)


def _told_elsewhere(record: logging.LogRecord) -> bool:
    """Leave out what people are told in remarks, unless they asked for every detail."""
    return record.name != events.LOGGER or logging.getLogger("updog").isEnabledFor(logging.DEBUG)
