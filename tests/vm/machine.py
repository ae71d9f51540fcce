"""A virtual machine in QEMU: booted, watched on its serial port, and always ended.

Emulation only (``-accel tcg``). Nothing here sleeps: each wait is for an event (a line on the
serial port, the end of the process), has a limit, and fails with the end of the serial log and its
path.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from tests.vm.monitor import Monitor, monitor_sockets
from tests.vm.serial import SerialLog

QEMU = "qemu-system-x86_64"
HOST_ADDRESS = "10.0.2.2"
"""Where the guest reaches services on the host's loopback."""
GUEST_ADDRESS = "10.0.2.15"
FIRMWARE_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
FIRMWARE_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
KEPT_LOGS = "UPDOG_VM_LOGS"
"""Name a folder in this variable, and serial logs of failed runs are copied there."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The machine's disk, an NVMe drive unless said otherwise.

    Attributes:
        where: a file, or an address such as ``nbd://127.0.0.1:10809/disk``.
        form: ``raw`` or ``qcow2``.
        bus: ``nvme``, or ``virtio-blk-pci`` (QEMU can take snapshots of machines with that).
    """

    where: Path | str
    form: str = "raw"
    bus: str = "nvme"

    def options(self) -> list[str]:
        """Return QEMU's options for it."""
        place = (
            f"driver=file,filename={self.where}"
            if isinstance(self.where, Path)
            else _nbd_place(self.where)
        )
        node = f"driver={self.form},node-name=disk,{_below('file', place)}"
        return ["-blockdev", node, "-device", f"{self.bus},drive=disk,serial=updog"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the machine is made of.

    Attributes:
        disk: its disk.
        kernel: a kernel to start directly, or None to leave that to the firmware.
        initramfs: for that kernel.
        command_line: for that kernel; ``console=ttyS0`` is what makes it speak.
        firmware: the machine's own copy of OVMF's variables (`firmware_variables`), or None for a
            plain BIOS.
        forwards: ports as (host, guest); the host's are on 127.0.0.1.
        network: model of the card; empty for none.
        memory: MiB.
        cpus: processors.
        watchdog: whether there is an i6300esb watchdog that resets the machine.
        resets: whether a reset starts it again; else QEMU ends at the first one.
        more: further words for QEMU.
    """

    disk: Disk
    kernel: Path | None = None
    initramfs: Path | None = None
    command_line: str = ""
    firmware: Path | None = None
    forwards: tuple[tuple[int, int], ...] = ()
    network: str = "virtio-net-pci"
    memory: int = 768
    cpus: int = 1
    watchdog: bool = False
    resets: bool = True
    more: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Return the command line of QEMU, without the monitor."""
        words = [QEMU, "-accel", "tcg", "-M", "q35", "-nographic", "-nodefaults"]
        words += ["-no-user-config", "-serial", "stdio", "-m", str(self.memory)]
        words += ["-smp", str(self.cpus), "-device", "virtio-rng-pci"]
        words += [*self.disk.options(), *self._start(), *self._network(), *self.more]
        words += ["-device", "i6300esb", "-action", "watchdog=reset"] if self.watchdog else []
        return words + ([] if self.resets else ["-no-reboot"])

    def _start(self) -> list[str]:
        words = []
        if self.firmware is not None:
            flash = "if=pflash,format=raw"
            words += ["-drive", f"{flash},unit=0,readonly=on,file={FIRMWARE_CODE}"]
            words += ["-drive", f"{flash},unit=1,file={self.firmware}"]
        if self.kernel is not None:
            words += ["-kernel", str(self.kernel), "-append", self.command_line]
        if self.initramfs is not None:
            words += ["-initrd", str(self.initramfs)]
        return words

    def _network(self) -> list[str]:
        if not self.network:
            return []
        forwards = [f"hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in self.forwards]
        return [
            "-netdev",
            ",".join(["user,id=net", *forwards]),
            "-device",
            f"{self.network},netdev=net,romfile=",
        ]


class Machine:
    """A running machine; made by `booted`.

    Attributes:
        serial: what it says on its serial port.
        monitor: QEMU's own console.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], serial: SerialLog, monitor: Monitor
    ) -> None:
        self.serial = serial
        self.monitor = monitor
        self._process = process

    def expect(self, *wanted: str, limit: float = 90.0) -> str:
        """Wait until one of these patterns is said, after everything that was expected before.

        Args:
            wanted: regular expressions, matched within a line.
            limit: seconds; long, as it costs nothing when all is well.

        Returns:
            The line.

        Raises:
            AssertionError: the time is over, or the machine has ended.
        """
        return self.serial.expect(wanted, limit)

    def type(self, line: str) -> None:
        """Send a line to the serial port."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """Cut the power: what the guest has not given to its disk is lost."""
        self._process.kill()
        self._process.wait()

    def off(self, limit: float = 60.0) -> None:
        """Wait until the guest has switched itself off (or was reset, without `resets`).

        Raises:
            AssertionError: it still runs after `limit` seconds, or QEMU ended with an error.
        """
        try:
            code = self._process.wait(limit)
        except subprocess.TimeoutExpired:
            raise self.serial.failure(f"the machine still runs after {limit:.0f} s") from None
        if code:
            raise self.serial.failure(f"QEMU ended with exit code {code}")

    @property
    def running(self) -> bool:
        """Whether QEMU still runs."""
        return self._process.poll() is None


@contextmanager
def booted(hardware: Hardware, folder: Path, *, limit: float = 300.0) -> Iterator[Machine]:
    """Boot a machine, and end it when the block ends.

    Args:
        hardware: what it is made of.
        folder: for the serial log, ``serial-N.log``.
        limit: seconds after which it is killed, whatever anybody waits for.

    Yields:
        The machine, just switched on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = monitor_sockets()
    words = [*hardware.words(), "-chardev", f"socket,id=monitor,fd={theirs.fileno()}"]
    words += ["-mon", "chardev=monitor,mode=control"]
    with ours, _process(words, theirs.fileno()) as process, _limit(process, limit):
        theirs.close()
        monitor = Monitor(ours)
        assert isinstance(process.stdout, BufferedReader)
        serial = SerialLog(process.stdout, _free_log(folder))
        try:
            yield Machine(process, serial, monitor)
        except BaseException:
            _keep(serial.path)
            raise
        finally:
            process.kill()
            serial.join()
            monitor.close()


def firmware_variables(folder: Path) -> Path:
    """Copy OVMF's empty variables for one machine."""
    return Path(shutil.copy(FIRMWARE_VARS, folder / "firmware-variables.fd"))


@contextmanager
def _process(words: Sequence[str], handed: int) -> Iterator[subprocess.Popen[bytes]]:
    # QEMU does not outlive a test run that is killed: the kernel sees to that.
    guarded = ["setpriv", "--pdeathsig", "KILL", *words]
    with subprocess.Popen(
        guarded,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(handed,),
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def _limit(process: subprocess.Popen[bytes], limit: float) -> Iterator[None]:
    timer = threading.Timer(limit, process.send_signal, [signal.SIGKILL])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _free_log(folder: Path) -> Path:
    taken = len(list(folder.glob("serial-*.log")))
    return folder / f"serial-{taken + 1}.log"


def _keep(log: Path) -> None:
    """Copy the log of a failed run to where the tests' own folders are not removed from."""
    if wanted := os.environ.get(KEPT_LOGS):
        Path(wanted).mkdir(parents=True, exist_ok=True)
        shutil.copy(log, Path(wanted, f"{log.parent.name}-{log.name}"))


def _nbd_place(address: str) -> str:
    host, _, rest = address.removeprefix("nbd://").partition(":")
    port, _, export = rest.partition("/")
    place = f"driver=nbd,server.type=inet,server.host={host},server.port={port}"
    return f"{place},export={export}" if export else place


def _below(name: str, options: str) -> str:
    return ",".join(f"{name}.{option}" for option in options.split(","))
