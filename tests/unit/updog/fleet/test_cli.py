"""`updog-fleet` on a fleet of the fake API server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fakes.fleetworld import SPACE, V1, V2, FleetWorld, fleet_world
from tests.fakes.kube.errors import ApiError
from updog.fleet.cli import main
from updog.fleet.kubernetes.names import HALT, PAUSE, RETRY

ROOT = Path(__file__).resolve().parents[4]
Run = Callable[..., tuple[int, str, str]]


def schema(name: str) -> Any:
    return json.loads(ROOT.joinpath("docs/schemas", f"{name}.json").read_text())


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(world: FleetWorld, *words: str) -> tuple[int, str, str]:
        config = world.kube.kubeconfig(tmp_path / "kubeconfig")
        code = main([*words, "--kubeconfig", str(config), "--namespace", SPACE])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_status_shows_every_node_and_what_it_waits_for(run: Run) -> None:
    with fleet_world() as world:
        world.nodes("a", "b")
        world.turn(2)
        code, out, _err = run(world, "status")
        assert code == 0
        assert "2 nodes: 2 on 1.0.0" in out
        lines = {line.split()[0]: line for line in out.splitlines() if line[:2] in {"a ", "b "}}
        assert "drain" in lines["a"]
        assert "1 may be unavailable at once" in lines["b"]


def test_status_for_programs_is_as_its_schema_says(run: Run) -> None:
    with fleet_world(HALT_AFTER_FAILURES="1") as world:
        (agent, _other) = world.nodes("a", "b")
        agent.bad.add(V2)
        world.turn(15)
        code, out, _err = run(world, "status", "--json")
        tree = json.loads(out)
        assert code == 0
        jsonschema.validate(tree, schema("fleet-status"))
        for node in tree["nodes"]:
            jsonschema.validate(node, schema("fleet-why"))
        assert "1 failed attempts" in tree["halted"]
        assert tree["failures"][0]["node"] == "a"


def test_status_where_no_controller_has_run_shows_what_there_is(run: Run) -> None:
    with fleet_world() as world:
        world.kube.delete("configmaps", "updog-fleet", SPACE)
        code, out, _err = run(world, "status")
        assert code == 0
        assert out.startswith("0 nodes")


def test_why_says_what_holds_a_node(run: Run) -> None:
    with fleet_world() as world:
        world.nodes("a", "b")
        world.pod("web-0", "a", labels={"app": "web"})
        world.budget("web", "web")
        world.turn(6)
        _code, out, _err = run(world, "why", "a")
        assert "a runs 1.0.0 and is StagedAndPerformedUpdate, on its way to 1.1.0" in out
        assert "PodDisruptionBudget default/web" in out
        _code, out, _err = run(world, "why", "b")
        assert "1 may be unavailable at once" in out


def test_why_of_a_node_at_rest_says_that_nothing_is_offered(run: Run) -> None:
    with fleet_world() as world:
        world.nodes("a", offered=V1)
        world.turn(2)
        _code, out, _err = run(world, "why", "a")
        assert "offers nothing newer, or not yet" in out


def test_why_tells_of_failures_and_cordons(run: Run) -> None:
    with fleet_world() as world:
        (agent,) = world.nodes("a")
        agent.bad.add(V2)
        world.cordon("a")
        world.turn(15)
        _code, out, _err = run(world, "why", "a")
        assert "1 attempts failed" in out
        assert "fell-back: it did not come up" in out
        assert "cordoned by somebody else" in out
        _code, out, _err = run(world, "why", "a", "--json")
        jsonschema.validate(json.loads(out), schema("fleet-why"))


def test_why_of_an_unknown_node_is_refused(run: Run) -> None:
    with fleet_world() as world:
        code, out, err = run(world, "why", "nobody")
        assert (code, out) == (64, "")
        assert "nobody takes no part in the fleet." in err
        assert "Traceback" not in err


def test_pause_and_resume_of_a_node(run: Run) -> None:
    with fleet_world() as world:
        world.nodes("a")
        assert run(world, "pause", "a", "--reason", "disk")[0] == 0
        assert world.node("a")["metadata"]["annotations"][PAUSE] == "disk"
        world.turn(3)
        assert "disk" in run(world, "why", "a")[1]
        assert world.versions() == {"a": V1}
        assert run(world, "resume", "a")[0] == 0
        notes = world.node("a")["metadata"]["annotations"]
        assert PAUSE not in notes
        assert RETRY in notes


def test_halt_pause_and_resume_of_the_fleet(run: Run) -> None:
    with fleet_world() as world:
        world.nodes("a")
        assert run(world, "halt", "--reason", "bad release")[0] == 0
        assert world.ledger()["metadata"]["annotations"][HALT] == "bad release"
        assert "STOPPED: bad release" in run(world, "status")[1]
        assert run(world, "pause")[0] == 0
        world.turn(4)
        assert world.versions() == {"a": V1}
        assert run(world, "resume")[0] == 0
        assert HALT not in world.ledger()["metadata"]["annotations"]
        assert PAUSE not in world.ledger()["metadata"]["annotations"]


def test_a_brake_where_no_controller_has_run_is_refused(run: Run) -> None:
    with fleet_world() as world:
        world.kube.delete("configmaps", "updog-fleet", SPACE)
        code, _out, err = run(world, "halt")
        assert code == 64
        assert "hint: Name the operator's namespace" in err


def test_a_cluster_that_does_not_answer_is_an_error_in_two_lines(run: Run) -> None:
    with fleet_world() as world:
        world.kube.stop()
        code, _out, err = run(world, "status")
        assert code == 69
        assert len(err.splitlines()) == 2


def test_what_one_may_not_do_is_told(run: Run) -> None:
    with fleet_world() as world:
        world.kube.faults.add(verb="list", error=ApiError(403, "nodes is forbidden"))
        code, _out, err = run(world, "status")
        assert code == 69
        assert "nodes is forbidden" in err


@pytest.mark.parametrize(
    "words", [(), ("fly",), ("why",), ("status", "--colour"), ("halt", "node"), ("why", "a", "b")]
)
def test_a_wrong_command_line_is_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 64
    assert "hint: " in capsys.readouterr().err


def test_a_kubeconfig_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--kubeconfig", str(tmp_path / "none")]) == 64
    broken = tmp_path / "broken"
    broken.write_text("clusters: []\n")
    assert main(["status", "--kubeconfig", str(broken)]) == 78
    assert "Traceback" not in capsys.readouterr().err


def test_help_loads_no_client_of_kubernetes() -> None:
    probe = (
        "import sys, contextlib, io\n"
        "from updog.fleet.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['status', '--help'])\n"
        "print(sorted({'kubernetes_asyncio', 'aiohttp', 'kopf', 'croniter'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def test_a_wrong_setting_ends_the_programs_at_once() -> None:
    for program, name in (("controller", "MAX_CONCURRENT_UPDATE"), ("agent", "MY_NODE_NAME")):
        run = subprocess.run(
            [sys.executable, "-m", "updog.fleet.cli", program],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin", "MAX_CONCURRENT_UPDATE": "three"},
        )
        assert run.returncode == 78
        assert name in run.stderr
        assert "Traceback" not in run.stderr
