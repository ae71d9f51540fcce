"""The benchmark of the pipeline runs, and judges what it measured."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.goals import Goal
from benchmarks.serving import RATE

ROOT = Path(__file__).resolve().parents[2]


def _benchmark(work: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.pipeline", *arguments, "--work", str(work)],
        cwd=ROOT,
        env=os.environ | {"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_small_images_are_measured_against_the_shell(tmp_path: Path) -> None:
    table = _benchmark(tmp_path, "--mib", "8", "--rounds", "1", "--no-peers")

    assert "| fair shell, lz4 |" in table
    assert "| updog, adaptive, kept map |" in table
    assert "| bytes written by the same image again | ≤ 0 | 0 | met |" in table


@pytest.mark.slow(seconds=40)
def test_the_link_is_no_faster_than_it_says(tmp_path: Path) -> None:
    table = _benchmark(tmp_path, "link", "--mib", "8", "--rounds", "1", "--no-peers")

    rows = [line.split("|") for line in table.splitlines() if line.startswith("| fair shell")]
    seconds, megabytes = float(rows[0][2]), float(rows[0][7])
    assert seconds >= 0.9 * megabytes * 1e6 / RATE


@pytest.mark.slow
def test_memory_is_shown_for_each_size(tmp_path: Path) -> None:
    table = _benchmark(tmp_path, "memory", "--sizes", "4", "8")

    assert "| way | 4 MiB | 8 MiB | spread |" in table
    assert "| adaptive, kept map |" in table


def test_a_figure_above_its_limit_is_called_missed() -> None:
    assert "missed" in Goal("wall", 0.5, 0.51).row()
    assert "missed" not in Goal("wall", 0.5, 0.5).row()
