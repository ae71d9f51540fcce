"""The random part of the names of data stores."""

from __future__ import annotations

import secrets
import string

from updog.datastore.links import RANDOM_LETTERS

_LETTERS = string.ascii_letters + string.digits


def random_letters() -> str:
    """Letters and digits, by which no two stores of one version share a name."""
    return "".join(secrets.choice(_LETTERS) for _ in range(RANDOM_LETTERS))
