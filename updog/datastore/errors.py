"""What can be wrong with a data store. PURE."""

from __future__ import annotations

from updog.errors import DataError


class StoreError(DataError):
    """A data store, or a link that leads to one, is not what formats 12 says it is."""
