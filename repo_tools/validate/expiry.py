"""When metadata expires: not soon, in the right order, in a form that everybody reads. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from repo_tools.findings import Check, Finding
from repo_tools.validate.files import signed_part
from waves.duration import format_moment

SOON = {"root": timedelta(days=30)}
SOON_FOR_OTHERS = timedelta(days=2)
ORDER = ("timestamp", "snapshot", "targets", "root")


def expiry_findings(place: str, data: bytes, expires: datetime, now: datetime) -> Iterator[Finding]:
    """Expired, about to, or in a form that stock clients refuse."""
    at = Check("expiry", place)
    role = str(signed_part(data).get("_type"))
    if expires <= now:
        yield at.error(f"it expired at {format_moment(expires)}: every client refuses it")
    elif expires - now < SOON.get(role, SOON_FOR_OTHERS):
        yield at.warning(f"it expires soon, at {format_moment(expires)}")
    if "." in str(signed_part(data).get("expires")):
        yield at.warning("expires has a fraction of a second, which stock python-tuf refuses")


def order_findings(expires: Mapping[str, datetime]) -> Iterator[Finding]:
    """Roles that outlive the one above them, which is then what stops clients first."""
    listed = [role for role in ORDER if role in expires]
    for sooner, later in pairwise(listed):
        if expires[sooner] > expires[later]:
            yield Check("expiry", f"{sooner}.json").warning(
                f"it outlives {later}.json ({format_moment(expires[later])}), so renewing it alone"
                " will not keep clients going"
            )
