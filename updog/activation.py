"""Letting the bootloader choose the staged set, with what is needed to judge it afterwards."""

from __future__ import annotations

from partitions.bootcontrol import BootControl
from updog import install
from updog.settings import Settings


def activate(settings: Settings, control: BootControl, version: str = "") -> None:
    """Ask the health checks how things are now, remember that, and change the boot bits.

    Args:
        settings: the configuration.
        control: the boot bits.
        version: what was staged; empty for what the label of the set says.

    Raises:
        PartitionError: the disk failed or refused; what was remembered does no harm.
    """
    from updog.health import gate  # noqa: PLC0415 - start-up: not for those who only look

    gate.may_fail(lambda: gate.expect(gate.machine(settings, control), version))
    install.activate(control)
