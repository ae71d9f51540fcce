"""What docs/kubernetes.md names is what the code has, and the other way round."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from prometheus_client import Metric

from updog.fleet.holding import Reason
from updog.fleet.kubernetes import names, settings
from updog.fleet.kubernetes.metrics import REASONS, Metrics
from updog.fleet.kubernetes.telling import Told
from updog.fleet.model import PHASES, Phase, State

PAGE = (Path(__file__).resolve().parents[5] / "docs/kubernetes.md").read_text()
ANY = {"any other", "`ErrorReset` or any other"}


def documented_phases() -> dict[str, tuple[str, str]]:
    table = PAGE.partition("<!-- phases:")[2].partition("<!-- /phases -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {row[0]: (row[1], row[2]) for row in rows[1:] if not row[0].startswith("---")}


def test_the_table_of_phases_is_that_of_the_model() -> None:
    said = documented_phases()
    assert set(said) == {each.value for each in Phase}
    for (wanted, done), phase in PHASES.items():
        if phase is not Phase.ACK:
            assert said[phase] == (f"`{wanted}`", f"`{done}`")
    acknowledging = {pair for pair, phase in PHASES.items() if phase is Phase.ACK}
    others = {each for each in State if each is not State.IDLE}
    assert acknowledging == {(State.IDLE, each) for each in others}
    assert said["ack"] == ("`Idle`", "any other")
    assert said["reset"][1] in ANY


def test_every_setting_is_documented() -> None:
    source = inspect.getsource(settings)
    read = set(re.findall(r'"([A-Z][A-Z_]{5,})"', source)) - {"MY_NODE_NAME", "MY_POD_NAME"}
    missing = {each for each in read if f"`{each}`" not in PAGE} - {"MY_POD_NAMESPACE"}
    assert missing == set()


def test_every_metric_is_documented_and_no_other() -> None:
    families: list[Metric] = list(Metrics().registry.collect())
    told = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
    documented = set(re.findall(r"`((?:brupop_hosts|updog_fleet)_\w+)`", PAGE))
    assert documented == told


def test_every_event_every_hold_and_every_reason_is_documented() -> None:
    wanted = {*Told, *Reason, *REASONS}
    assert {each for each in wanted if f"`{each}`" not in PAGE} == set()


def test_every_label_and_annotation_is_documented() -> None:
    ours = {each for each in vars(names).values() if str(each).startswith("fleet.updog/")}
    assert {each for each in ours if str(each).partition("=")[0] not in PAGE} == set()
