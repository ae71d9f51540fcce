"""The world of an agent that really runs: this machine, its repository, and its configuration.

The configuration is read anew each time, so that a hold that somebody sets holds at once.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from updog import config, host, invocation, staged, update, visit
from updog.activation import activate
from updog.agent import inhibitors
from updog.agent.calendar import USUAL_CHECK, Calendar, share
from updog.agent.decide import Rules
from updog.agent.life import Life
from updog.agent.loop import View
from updog.agent.meter import Metered
from updog.agent.windows import CronWindow, Fires
from updog.body import Fetcher
from updog.clock import SystemClock
from updog.errors import ConfigError
from updog.health import gate, record
from updog.notify import Notifier
from updog.progress import together
from updog.reboot import reboot
from updog.select import Chosen, Declined
from updog.settings import Settings
from updog.update import Installed
from updog.visit import Wish

MACHINE_ID = Path("/etc/machine-id")


class PresentClock:
    """The time as it is told now: over months, a clock that was wrong must come right again."""

    def now(self) -> datetime:
        """Return the current time, aware and in UTC."""
        return SystemClock().now()


class Machine:
    """This machine (`updog.agent.loop.World`).

    Args:
        path: the configuration file.
        blocking: who inhibits a restart.
        life: told whenever the work has come to something; None for nobody.
    """

    def __init__(
        self,
        path: Path,
        blocking: Callable[[], tuple[str, ...]] = inhibitors.blocking,
        *,
        life: Life | None = None,
    ) -> None:
        self._args = Namespace(
            config=path, variant=None, source=None, image=None, ignore_waves=False, quiet=True
        )
        self._blocking = blocking
        self._fetched = 0
        self._life = life or Life(Notifier(), PresentClock())

    @property
    def settings(self) -> Settings:
        """The configuration, as it stands now."""
        return config.load(self._args.config)

    def rules(self) -> Rules:
        """What the operator decided, as it stands now."""
        return rules(self.settings)

    def look(self) -> View:
        """See how the machine is; note an update that did not come up."""
        settings = self.settings
        control = invocation.control(settings)
        gate.may_fail(lambda: gate.arrive(gate.machine(settings, control)))
        status = control.status()
        label = staged.recall(settings.paths.staged)
        ready = [
            each.slot.value
            for each in status.sets
            if each.slot != status.active and each.flags.tries_left and not each.flags.successful
        ]
        there = label is not None and label.slot in ready
        return View(
            staged=label.version if label is not None and there else "",
            confirmed=status.confirmed,
            halted=_halted(settings),
            inhibitors=self._blocking() if there else (),
        )

    def check(self) -> Chosen | Declined:
        """Ask the repository."""
        way = invocation.way(self._args)
        self._life.beat()
        try:
            return visit.check(way, Wish())
        finally:
            _close(way.fetcher)

    def install(self, budget: int | None) -> Installed | Declined:
        """Write the update that is for this host to the other set."""
        self._fetched = 0
        env = invocation.environment(self._args)
        metered = Metered(env.fetcher, budget, self._life.beat)
        watched = together([env.progress, self._life.moved])
        try:
            return update.update_image(replace(env, fetcher=metered, progress=watched), Wish())
        finally:
            self._fetched = metered.fetched
            _close(env.fetcher)

    def fetched(self) -> int:
        """Bytes that the last `install` fetched."""
        return self._fetched

    def daily_bytes(self) -> int:
        """Most bytes to fetch in a day; 0 for no limit."""
        return self.settings.schedule.daily_bytes

    def reboot(self) -> None:
        """Choose the staged set, and restart the machine."""
        settings = self.settings
        control = invocation.control(settings)
        status = control.status()
        if status.next == status.active:
            activate(settings, control)
        reboot(settings.boot.reboot_command)


def rules(settings: Settings) -> Rules:
    """The rules of a configuration, for this host.

    Raises:
        ConfigError: a cron expression means nothing, or this host is not usable.
        UpdogError: the seed of this host cannot be drawn.
    """
    place = share(identity(settings))
    return Rules(
        calendar=calendar(settings, place),
        mode=settings.mode,
        backoff_min=settings.schedule.backoff_min,
        backoff_max=settings.schedule.backoff_max,
        spread=place,
    )


def calendar(settings: Settings, place: float) -> Calendar:
    """The calendar of a configuration, for a host at a place from 0 to below 1.

    Raises:
        ConfigError: a cron expression means nothing.
    """
    said = settings.schedule
    crons = [said.check.cron] if isinstance(said.check, Fires) else []
    crons += [each.cron for each in said.windows if isinstance(each, CronWindow)]
    if crons:
        _validate(crons)
    return Calendar(
        zone=UTC if said.timezone == "UTC" else ZoneInfo(said.timezone),
        check=said.check or USUAL_CHECK,
        delay=said.jitter * place,
        windows=said.windows,
        blackouts=said.blackouts,
        downloads_in_windows=said.downloads_in_windows,
    )


def _validate(expressions: Iterable[str]) -> None:
    try:
        from updog.agent import cron  # noqa: PLC0415 - croniter is needed by those who use cron
    except ImportError as error:
        hint = "Install it with the extra 'agent', or use time spans and weekly windows."
        raise ConfigError(f"[schedule]: cron expressions need {error.name}.", hint=hint) from error
    for expression in expressions:
        try:
            cron.validated(expression)
        except ValueError as error:
            raise ConfigError(f"[schedule]: {error}") from error


def identity(settings: Settings) -> str:
    """What tells this host from others: its seed, which many share, and its machine id."""
    try:
        machine_id = MACHINE_ID.read_text().strip()
    except OSError:
        machine_id = ""
    return f"{host.read_host(settings).seed} {machine_id}"


def _halted(settings: Settings) -> str:
    rollbacks, most = record.load(settings.paths.health).rollbacks, settings.health.max_rollbacks
    if not rollbacks or rollbacks < most:
        return ""
    return (
        f"{rollbacks} updates in a row failed their health checks; 'updog bad-versions clear all'"
        " lets the agent go on"
    )


def _close(fetcher: Fetcher) -> None:
    close = getattr(fetcher, "close", None)
    if close is not None:
        close()
