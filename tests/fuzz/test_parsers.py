"""A time-boxed run of each parser's fuzzer; `python -m tests.fuzz.parsers` runs longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from updog import blockmap, deltaformat

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "fixtures" / "corpus"
SECONDS = 8
MIB = 512


@pytest.mark.slow
@pytest.mark.parametrize("parser", sorted(path.name for path in CORPUS.iterdir()))
def test_only_our_errors_leave_a_parser(parser: str, tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    options = [f"-max_total_time={SECONDS}", f"-rss_limit_mb={MIB}", "-timeout=5", "-max_len=65536"]
    # What the kernel says of the fuzzer's memory, which it keeps a limit of, begins with that of
    # the program that started it: so that is a small one, not this one.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "tests.fuzz.parsers"]
    command += [parser, *options]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/", str(found), str(CORPUS / parser)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    assert runs is not None
    assert int(runs[1]) > 100


@pytest.mark.parametrize("seed", sorted((CORPUS / "blockmap").iterdir()), ids=lambda at: at.name)
def test_the_seeds_of_maps_are_maps_of_this_version(seed: Path) -> None:
    assert blockmap.parse(seed.read_bytes(), seed.name).blocks


@pytest.mark.parametrize("seed", sorted((CORPUS / "delta").iterdir()), ids=lambda at: at.name)
def test_the_seeds_of_deltas_begin_as_deltas_of_this_version(seed: Path) -> None:
    start = seed.read_bytes()[: deltaformat.HEADER_LENGTH]
    assert deltaformat.parse_header(start, seed.name).raw_length


def test_every_seed_of_the_corpus_is_small() -> None:
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert len(sizes) < 50
    assert sum(sizes) < 64 << 10
