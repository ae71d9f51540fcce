"""`updog check-update` beside a stock `tuf.ngclient` refresh of the same repository.

Whole processes, run in turn (A B A B …), so that a drift of the machine's speed touches
both. Quoted are medians and the median of the pairwise ratios. Goal: ratio at most 0.8.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from fixtures.machine import make_machine
from fixtures.os_images import Recipe, build_release
from fixtures.publisher import Publisher

RUNS = 15
STOCK = """
import sys
from pathlib import Path
from tuf.ngclient import Updater
home, url = Path(sys.argv[1]), sys.argv[2]
updater = Updater(
    metadata_dir=str(home), metadata_base_url=url + "/demo/x86_64",
    target_base_url=url + "/targets", target_dir=str(home),
    bootstrap=(home / "shipped-root.json").read_bytes(),
)
updater.refresh()
info = updater.get_targetinfo("manifest.json")
updater.download_target(info)
"""


def seconds(command: Sequence[str], expected: int) -> float:
    """Wall time of one run of a command that must end with ``expected``."""
    start = time.perf_counter()
    run = subprocess.run(command, capture_output=True, check=False, env=compiled_modules())
    taken = time.perf_counter() - start
    if run.returncode != expected:
        sys.exit(f"{command[:4]} ended with {run.returncode}: {run.stderr.decode()}")
    return taken


def compiled_modules() -> dict[str, str]:
    """An environment in which Python keeps compiled modules, as an installed package has them."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Set up a repository and a machine, run the pairs, print the table."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first = build_release(home / "1.0.0", Recipe("1.0.0", content_mib=2))
        second = build_release(home / "1.1.0", Recipe("1.1.0", content_mib=2, skip=1))
        publisher = Publisher.create(home / "repository", datetime.now(UTC))
        publisher.release(second)
        with publisher.serving() as url:
            machine = make_machine(
                home / "machine", first, seed=1000, root_json=publisher.root_json(), url=url
            )
            stock_home = home / "stock"
            stock_home.mkdir()
            stock_home.joinpath("shipped-root.json").write_bytes(publisher.root_json())
            base = [sys.executable]
            ours = [*base, "-m", "updog", "--config", str(machine.config), "check-update"]
            stock = [*base, "-c", STOCK, str(stock_home), url]
            compare(ours, stock, [*base, "-c", "pass"])


def compare(ours: Sequence[str], stock: Sequence[str], floor: Sequence[str]) -> None:
    """Run the commands in turn and print medians and ratios."""
    for command in (ours, stock):
        seconds(command, 0)
    rows = [(seconds(ours, 0), seconds(stock, 0), seconds(floor, 0)) for _ in range(RUNS)]
    mine, theirs, empty = (statistics.median(column) for column in zip(*rows, strict=True))
    ratio = statistics.median(a / b for a, b, _ in rows)
    print(f"{RUNS} runs each, interleaved; whole processes, warm state, median wall time")
    print(f"  updog check-update            {mine * 1000:7.1f} ms")
    print(f"  tuf.ngclient refresh + target {theirs * 1000:7.1f} ms")
    print(f"  python -c pass                {empty * 1000:7.1f} ms")
    print(f"  ratio ours / stock            {ratio:7.2f}   (goal 0.80)")


if __name__ == "__main__":
    main()
