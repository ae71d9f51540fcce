"""How the peers are run, each in its best setting; who is missing is skipped with a word."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shell import digest, present, run

_DBUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""
_RAUC = """[system]
compatible=bench
bootloader=custom
bundle-formats=plain verity
statusfile={folder}/status
data-directory={folder}/data
mountprefix={folder}/mnt
max-bundle-download-size=2000000000
[handlers]
bootloader-custom-backend={folder}/backend
[keyring]
path={work}/cert.pem
[slot.rootfs.0]
device={base}
type=raw
bootname=A
[slot.rootfs.1]
device={target}
type=raw
bootname=B
"""
_BACKEND = """#!/bin/sh
case "$1" in
  get-primary) cat {folder}/primary ;;
  set-primary) echo "$2" > {folder}/primary ;;
  get-state) echo good ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a benchmark runs.

    Attributes:
        work: the folder that is served.
        url: under which it is.
        target: the device to update.
        base: a device that holds the old image, read-only.
    """

    work: Path
    url: str
    target: Path
    base: Path

    @property
    def write(self) -> str:
        """The last stage of a shell pipeline."""
        return f"dd of={self.target} bs=1M conv=fsync,notrunc status=none"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program.

    Attributes:
        name: with the codec.
        command: a line of bash.
        service: a process that does the work for it.
        slow: so slow that one round must do.
    """

    name: str
    command: str
    service: int | None = None
    slow: bool = False


def pack(work: Path, old: Path, new: Path) -> None:
    """Make what the peers publish."""
    if present("casync"):
        run(f"casync make --store={work}/store.castr {work}/new.caibx {new}")
    if present("zck"):
        run(f"cd {work} && zck -o old.zck {old} && zck -o new.zck {new}")
        # SWUpdate hashes what is not packed, and takes SHA-256 only.
        run(f"cd {work} && zck -u -h sha256 -o delta.zck {new}")
    key = "-newkey rsa:2048 -nodes -subj /CN=bench -days 3650"
    mail = "-addext extendedKeyUsage=emailProtection"
    run(f"cd {work} && openssl req -x509 {key} {mail} -keyout key.pem -out cert.pem")
    if present("rauc", "mksquashfs"):
        _bundle(work, new)


def _bundle(work: Path, new: Path) -> None:
    run(f"rm -rf {work}/bundle {work}/new.raucb && mkdir {work}/bundle")
    run(f"ln {new} {work}/bundle/rootfs.img || cp {new} {work}/bundle/rootfs.img")
    (work / "bundle/manifest.raucm").write_text(
        "[update]\ncompatible=bench\nversion=2\n[bundle]\nformat=plain\n"
        "[image.rootfs]\nfilename=rootfs.img\n"
    )
    squash = "--mksquashfs-args='-comp lz4 -Xhc'"
    keys = f"--cert={work}/cert.pem --key={work}/key.pem"
    run(f"rauc bundle {keys} {squash} {work}/bundle {work}/new.raucb && rm -r {work}/bundle")


def peers(place: Place, stack: ExitStack) -> Iterator[Peer]:
    """Everybody who is here."""
    for names, make in (
        (("rauc", "dbus-daemon"), _rauc),
        (("swupdate", "cpio"), _swupdate),
        (("casync",), _casync),
        (("zckdl", "unzck"), _zchunk),
        (("swupdate", "cpio", "zck_read_header"), _swupdate_delta),
    ):
        if os.geteuid():
            print(f"{names[0]} needs root: skipped", file=sys.stderr)
        elif present(*names):
            yield make(place, stack)
        else:
            print(f"{' or '.join(names)} is not installed: skipped", file=sys.stderr)


def _casync(place: Place, _stack: ExitStack) -> Peer:
    store = f"--store={place.url}/store.castr --seed={place.base}"
    command = f"casync extract {store} {place.url}/new.caibx {place.target}"
    return Peer("casync, seeded", f"TMPDIR=/dev/shm {command} && sync {place.target}")


def _zchunk(place: Place, _stack: ExitStack) -> Peer:
    folder = place.work / "zck"
    fetch = f"rm -f new.zck && zckdl -s ../old.zck {place.url}/new.zck >/dev/null"
    line = f"mkdir -p {folder} && cd {folder} && {fetch} && unzck -c new.zck | {place.write}"
    return Peer("zchunk", line)


def _swupdate(place: Place, _stack: ExitStack) -> Peer:
    image: dict[str, object] = {
        "filename": "new.zstd3",
        "sha256": digest(place.work / "new.zstd3"),
        "compressed": "zstd",
        "installed-directly": True,
    }
    _pack_swu(place, "new.swu", image)
    return Peer("SWUpdate, zstd-3", _swupdate_line(place, "new.swu"))


def _swupdate_delta(place: Place, _stack: ExitStack) -> Peer:
    work = place.work
    head = "zck_read_header -v delta.zck | sed -n 's/^Header size: *//p'"
    run(f'cd {work} && head -c "$({head})" delta.zck > delta.head')
    properties = f'properties: {{ url = "{place.url}/delta.zck"; source = "{place.base}"; '
    properties += 'chain = "raw"; zckloglevel = "error"; };'
    image: dict[str, object] = {
        "filename": "delta.head",
        "type": "delta",
        "sha256": digest(work / "delta.head"),
    }
    _pack_swu(place, "delta.swu", image, properties)
    return Peer("SWUpdate, delta", _swupdate_line(place, "delta.swu"), slow=True)


def _swupdate_line(place: Place, name: str) -> str:
    options = f"-l 2 -k {place.work}/cert.pem -H board:1.0 -M -m"
    return f'swupdate {options} -d "-u {place.url}/{name} -t 60"'


def _pack_swu(place: Place, name: str, image: dict[str, object], more: str = "") -> None:
    """Pack one image as SWUpdate wants it, signed."""
    work = place.work
    image["device"] = str(place.target)
    fields = "; ".join(f"{key} = {json.dumps(value)}" for key, value in image.items())
    board = 'version = "1"; hardware-compatibility: [ "1.0" ];'
    text = f"software = {{ {board} images: ( {{ {fields}; {more} }} ); }};\n"
    (work / "sw-description").write_text(text)
    sign = "openssl cms -sign -in sw-description -out sw-description.sig -signer cert.pem"
    run(f"cd {work} && {sign} -inkey key.pem -outform DER -nosmimecap -binary")
    names = f"sw-description\\nsw-description.sig\\n{image['filename']}\\n"
    run(f"cd {work} && printf '{names}' | cpio -o -H crc > {name}")


def _rauc(place: Place, stack: ExitStack) -> Peer:
    """Start a bus and RAUC's service on it, with the two devices as its slots."""
    folder = place.work / "rauc"
    run(f"rm -rf {folder} && mkdir -p {folder}/data {folder}/mnt")
    names = {"folder": folder, "work": place.work, "base": place.base, "target": place.target}
    for name, text in (("bus.conf", _DBUS), ("system.conf", _RAUC), ("backend", _BACKEND)):
        (folder / name).write_text(text.format(**names))
    (folder / "backend").chmod(0o755)
    (folder / "primary").write_text("A\n")
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/bus"}
    service = 0
    for line in (
        ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork"],
        ["rauc", "-c", f"{folder}/system.conf", "--override-boot-slot=A", "service"],
    ):
        log = stack.enter_context((folder / f"{line[0]}.log").open("w"))
        process = subprocess.Popen(line, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        service = process.pid
        time.sleep(1)
    bus = f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={folder}/bus"
    line_of_bash = f"{bus} rauc install {place.url}/new.raucb && sync {place.target}"
    return Peer("rauc install, lz4 bundle", line_of_bash, service)
