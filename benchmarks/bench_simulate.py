"""Simulating ten million hosts: under 10 seconds and 1 GiB, as a whole process.

A child process runs ``updog-repo waves simulate`` as an operator would, start of Python included;
`benchmarks.peak` takes its peak memory. A second child simulates one thousandth of the
fleet, which shows what is there before the first host.
"""

from __future__ import annotations

import sys

from benchmarks import peak
from benchmarks.peak import Taken

MOST_SECONDS = 10.0
MOST_MIB = 1024.0
RUNS = 3


def run(fleet: int, rule: str, policy: str) -> Taken:
    """Simulate in a process of its own; it has to end with 0."""
    words = ["waves", "simulate", "--json", "--rule", rule, "--policy", policy]
    return peak.run([*words, "--fleet", str(fleet), "--image-size", "600MB"])


def measure(title: str, fleet: int, rule: str, policy: str) -> bool:
    """Print the worst of a few runs; whether it is within the bounds."""
    taken = [run(fleet, rule, policy) for _ in range(RUNS)]
    seconds, mib = max(each.seconds for each in taken), max(each.mib for each in taken)
    print(f"{title:<36}{seconds:6.2f} s  {mib:6.0f} MiB")
    return seconds < MOST_SECONDS and mib < MOST_MIB


def main() -> int:
    """Measure; 1 if a bound was broken."""
    print(f"worst of {RUNS} runs; bounds {MOST_SECONDS:.0f} s and {MOST_MIB:.0f} MiB")
    good = [
        measure("10 thousand hosts, default", 10_000, "ours", "default"),
        measure("10 million hosts, default", 10_000_000, "ours", "default"),
        measure("10 million hosts, emergency", 10_000_000, "ours", "emergency"),
        measure("10 million hosts, both rules", 10_000_000, "both", "slow-roll"),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
