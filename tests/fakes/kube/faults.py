"""What can go wrong on purpose: answers of the server that are not about the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from time import monotonic

from tests.fakes.kube.auth import Request
from tests.fakes.kube.errors import ApiError


class Break(Enum):
    """When a connection is cut."""

    BEFORE = "before the request does anything"
    AFTER = "after it has done its work, before the answer"


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        applies: to which requests.
        times: how often still; None for ever.
        chance: how likely each time.
        error: what is answered, if anything.
        delay: seconds before the request is looked at.
        cut: whether and when the connection is cut.
    """

    applies: Callable[[Request], bool]
    times: int | None = 1
    chance: float = 1.0
    error: ApiError | None = None
    delay: float = 0.0
    cut: Break | None = None
    hits: int = 0


@dataclass
class Faults:
    """All faults that are set, tried in order; the first that applies happens.

    Attributes:
        random: decides on chances; seed it.
        lag: seconds by which watches are late.
        stale: how many versions old a list is that takes any version (``resourceVersion=0``).
        held: how often a watch was not told yet of what it would have been, for `lag`.
    """

    random: Random = field(default_factory=lambda: Random(0))
    lag: float = 0.0
    stale: int = 0
    held: int = 0
    _set: list[Fault] = field(default_factory=list)

    def add(
        self,
        *,
        verb: str | None = None,
        resource: str | None = None,
        name: str | None = None,
        times: int | None = 1,
        chance: float = 1.0,
        error: ApiError | None = None,
        delay: float = 0.0,
        cut: Break | None = None,
    ) -> Fault:
        """Let something go wrong with requests of a verb, a resource, or a name."""

        def applies(request: Request) -> bool:
            wanted = ((verb, request.verb), (resource, request.resource), (name, request.name))
            return all(said is None or said == is_ for said, is_ in wanted)

        made = Fault(applies, times, chance, error, delay, cut)
        self._set.append(made)
        return made

    def server_error(self, **which: object) -> Fault:
        """500."""
        return self.add(error=ApiError(500, "etcdserver: leader changed"), **which)  # type: ignore[arg-type]

    def throttle(self, seconds: int = 1, **which: object) -> Fault:
        """429 with Retry-After, as priority and fairness answer."""
        message = "too many requests, please try again later"
        return self.add(error=ApiError(429, message, retry_after=seconds), **which)  # type: ignore[arg-type]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._set.clear()
        self.lag = 0.0
        self.stale = 0

    def late(self, moment: float) -> bool:
        """Whether a watch may not be told yet of a change of then."""
        found = moment + self.lag > monotonic()
        self.held += found
        return found

    def next(self, request: Request) -> Fault | None:
        """What goes wrong with a request."""
        for each in self._set:
            if each.times == 0 or not each.applies(request):
                continue
            if each.chance < 1.0 and self.random.random() >= each.chance:
                continue
            if each.times is not None:
                each.times -= 1
            each.hits += 1
            return each
        return None
