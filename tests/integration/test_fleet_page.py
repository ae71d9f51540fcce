"""The page of the fleet view in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from benchmarks import make_access_log
from repo_tools.cli import main

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is missing (350 MB): apt-get install it"),
]
WIDTH, HEIGHT = 1000, 3000
BLUE = {"light": (0x2A, 0x6F, 0xDB), "dark": (0x6E, 0xA4, 0xF5)}
PAPER = {"light": (0xFF, 0xFF, 0xFF), "dark": (0x14, 0x17, 0x1A)}
CONSOLE = re.compile(r"CONSOLE[^\n]*")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("fleet")
    log, manifest, html = home / "log", home / "manifest.json", home / "page.html"
    make_access_log.write(log, 60_000, 3000, "combined")
    manifest.write_bytes(make_access_log.manifest())
    asked = ["--manifest", str(manifest), "-v", make_access_log.NEW, "--threads", "1"]
    assert main(["fleet", str(log), "--html", str(html), *asked]) == 0
    return html


def browse(page: Path, home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open the page; everything that its console says is on stderr."""
    assert BROWSER is not None
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command = [BROWSER, *quiet, "--enable-logging=stderr", f"--user-data-dir={home}/profile"]
    return subprocess.run(
        [*command, f"--window-size={WIDTH},{HEIGHT}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_charts_are_there_in_both_modes(page: Path, tmp_path: Path, mode: str) -> None:
    shot = tmp_path / "page.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if mode == "dark" else []
    done = browse(page, tmp_path, f"--screenshot={shot}", *dark)
    assert CONSOLE.findall(done.stderr) == []
    pixels = (matplotlib.image.imread(shot)[:, :, :3] * 255).round().astype(np.uint8)
    assert pixels.shape[:2] == (HEIGHT, WIDTH)
    assert tuple(pixels[5, 5]) == PAPER[mode]
    # Bars and lines of the first colour: much more than a legend has.
    assert np.all(pixels == BLUE[mode], axis=2).sum() > 20_000


def test_every_chart_is_drawn_with_what_it_shows(page: Path, tmp_path: Path) -> None:
    done = browse(page, tmp_path, "--dump-dom")
    charts = re.findall(r'<svg class="chart".*?</svg>', done.stdout, re.DOTALL)
    assert len(charts) == 4
    assert all("<rect" in chart or "<polyline" in chart for chart in charts)
    assert CONSOLE.findall(done.stderr) == []


def test_a_script_in_the_page_would_not_run(page: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    script = "<script>document.title = 'taken over'</script></body>"
    bad.write_text(page.read_text().replace("</body>", script))
    done = browse(bad, tmp_path, "--dump-dom")
    assert "<title>taken over" not in done.stdout
    assert "Content Security Policy" in json.dumps(CONSOLE.findall(done.stderr))
