"""The house rules of docs/architecture.md about who may import what, held against the tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.fakes.client_world import V2, ClientWorld, FileWorld, release

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("waves", "partitions", "updog", "repo_tools")

# Modules that decide and never touch the world: no I/O, no clock, no randomness.
PURE = {
    "partitions.blockio",
    "partitions.boot",
    "partitions.bootflags",
    "partitions.bootreport",
    "partitions.bootstatus",
    "partitions.copies",
    "partitions.errors",
    "partitions.findings",
    "partitions.gpt",
    "partitions.gptcheck",
    "partitions.guid",
    "partitions.layout",
    "partitions.plan",
    "partitions.slot",
    "partitions.stage.choosing",
    "partitions.stage.errors",
    "partitions.stage.words",
    "partitions.superblock",
    "partitions.systemdboot.entries",
    "partitions.systemdboot.plan",
    "partitions.systemdboot.program",
    "repo_tools.bootstage.cpio",
    "repo_tools.bootstage.elf",
    "repo_tools.ceremony.changes",
    "repo_tools.ceremony.rootdraft",
    "repo_tools.ceremony.standing",
    "repo_tools.ceremony.words",
    "repo_tools.edits",
    "repo_tools.errors",
    "repo_tools.findings",
    "repo_tools.fleet.asjson",
    "repo_tools.fleet.asking",
    "repo_tools.fleet.charts",
    "repo_tools.fleet.figures",
    "repo_tools.fleet.logformats",
    "repo_tools.fleet.page",
    "repo_tools.fleet.queries",
    "repo_tools.fleet.svg",
    "repo_tools.fleet.text",
    "repo_tools.planning.lint",
    "repo_tools.planning.table",
    "repo_tools.publishing.expiry",
    "repo_tools.publishing.prometheus",
    "repo_tools.publishing.spans",
    "repo_tools.release.judge",
    "repo_tools.release.look",
    "repo_tools.release.names",
    "repo_tools.release.recognise",
    "repo_tools.release.room",
    "repo_tools.rollout.change",
    "repo_tools.rollout.groups",
    "repo_tools.rollout.preview",
    "repo_tools.signing",
    "repo_tools.simulation.asjson",
    "repo_tools.simulation.chart",
    "repo_tools.simulation.figures",
    "repo_tools.simulation.model",
    "repo_tools.simulation.quantities",
    "repo_tools.simulation.readiness",
    "repo_tools.simulation.report",
    "repo_tools.simulation.run",
    "repo_tools.stores.headers",
    "repo_tools.stores.store",
    "repo_tools.validate.expiry",
    "repo_tools.validate.files",
    "repo_tools.validate.mapcheck",
    "repo_tools.validate.offers",
    "repo_tools.validate.reach",
    "repo_tools.validate.roles",
    "repo_tools.validate.roots",
    "updog.agent.calendar",
    "updog.agent.cron",
    "updog.agent.decide",
    "updog.agent.wallclock",
    "updog.agent.windows",
    "updog.asked",
    "updog.blockmap",
    "updog.crashtest.contents",
    "updog.crashtest.doubt",
    "updog.crashtest.explore",
    "updog.crashtest.moments",
    "updog.crashtest.regions",
    "updog.crashtest.report",
    "updog.crashtest.words",
    "updog.crashtest.writelog",
    "updog.delegations",
    "updog.datastore.errors",
    "updog.datastore.keys",
    "updog.datastore.tree",
    "updog.deltaformat",
    "updog.digests",
    "updog.doctor.check",
    "updog.doctor.render",
    "updog.errors",
    "updog.exitcodes",
    "updog.fleet.ecs.budget",
    "updog.fleet.ecs.decide",
    "updog.fleet.ecs.hostreport",
    "updog.fleet.ecs.marks",
    "updog.fleet.ecs.options",
    "updog.fleet.ecs.outcome",
    "updog.fleet.ecs.tasks",
    "updog.fleet.backoff",
    "updog.fleet.budget",
    "updog.fleet.halting",
    "updog.fleet.holding",
    "updog.fleet.judging",
    "updog.fleet.kubernetes.duty",
    "updog.fleet.kubernetes.environment",
    "updog.fleet.kubernetes.hours",
    "updog.fleet.kubernetes.names",
    "updog.fleet.kubernetes.pods",
    "updog.fleet.kubernetes.settings",
    "updog.fleet.kubernetes.shadow",
    "updog.fleet.model",
    "updog.fleet.opening",
    "updog.fleet.policy",
    "updog.fleet.report",
    "updog.fleet.rules",
    "updog.fleet.secondcron",
    "updog.fleet.steps",
    "updog.health.verdict",
    "updog.jsontree",
    "updog.manifest",
    "updog.migrate.outcome",
    "updog.migrate.render",
    "updog.migrationkit.migration",
    "updog.migrationkit.steps",
    "updog.migrationkit.templates",
    "updog.migrations",
    "updog.mistyped",
    "updog.offline.tarindex",
    "updog.overdue",
    "updog.pipeline.columns",
    "updog.pipeline.formats",
    "updog.pipeline.lz4frame",
    "updog.pipeline.ranges",
    "updog.pipeline.zstdframe",
    "updog.redact",
    "updog.report",
    "updog.select",
    "updog.service.machine",
    "updog.service.metrics",
    "updog.service.openapi",
    "updog.service.record",
    "updog.service.view",
    "updog.settings",
    "updog.stream",
    "updog.timepolicy",
    "updog.trust",
    "updog.tuffiles",
    "updog.tufjson",
    "updog.tufkeys",
    "updog.tufnames",
    "updog.tufroot",
    "updog.verbs",
    "updog.version",
    "waves.duration",
    "waves.errors",
    "waves.pause",
    "waves.policy",
    "waves.remaining",
    "waves.schedule",
    "waves.seed",
    "waves.stretch",
}
IMPURE_STDLIB = {
    "asyncio",
    "fcntl",
    "http",
    "io",
    "logging",
    "multiprocessing",
    "os",
    "random",
    "secrets",
    "select",
    "shutil",
    "signal",
    "socket",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
}
JUNK_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "misc", "types"}
# What the publishing side may see of the client besides its pure modules.
REPO_TOOLS_MAY_SEE = {
    "updog",
    "updog.clock",
    "updog.closedpipe",
    "updog.durable",
    "updog.errors",
    "updog.events",
    "updog.logs",
    "updog.session",
    "updog.tufstore",
    "updog.fetch",
}


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def _modules() -> dict[str, Path]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {_module_name(path): path for path in found}


def _resolve(target: str) -> str:
    """The module of ours that a dotted import lands in (``from a import b`` may name one)."""
    while target not in _modules() and "." in target:
        target = target.rpartition(".")[0]
    return target


@cache
def _imports(module: str) -> frozenset[str]:
    """Every module named by an import statement anywhere in the file, type-only ones included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(_modules()[module].read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; the house writes absolute ones"
            assert node.module is not None
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def _ours(module: str) -> set[str]:
    resolved = {_resolve(name) for name in _imports(module)}
    return {name for name in resolved if name in _modules()} - {module}


def _imports_from(module: str, *packages: str) -> set[str]:
    return {name for name in _ours(module) if name.split(".")[0] in packages}


def test_the_leaves_import_nothing_of_ours() -> None:
    for module in _modules():
        package = module.split(".")[0]
        if package in {"waves", "partitions"}:
            assert not _imports_from(module, *(set(PACKAGES) - {package})), module


def test_the_client_never_imports_the_publishing_side() -> None:
    for module in _modules():
        if module.split(".")[0] == "updog":
            assert not _imports_from(module, "repo_tools"), module


def test_the_publishing_side_sees_only_pure_parts_of_the_client() -> None:
    allowed = PURE | REPO_TOOLS_MAY_SEE
    for module in _modules():
        if module.split(".")[0] == "repo_tools":
            assert _imports_from(module, "updog") <= allowed, module


def test_nobody_imports_a_command_line() -> None:
    for module in _modules():
        if module not in {"updog.__main__", "updog.signpost"}:
            assert not {name for name in _ours(module) if name.endswith((".cli", ".signpost"))}, (
                module
            )


def test_fleet_speaks_only_the_update_api() -> None:
    for module in _modules():
        if module.startswith("updog.fleet"):
            seen = _ours(module)
            assert not {n for n in seen if n.startswith(("updog.install", "updog.session"))}, module
            assert not _imports_from(module, "partitions"), module


def test_the_client_knows_nothing_of_fleets() -> None:
    for module in _modules():
        if not module.startswith("updog.fleet"):
            assert not {n for n in _ours(module) if n.startswith("updog.fleet")}, module


def test_pure_modules_exist() -> None:
    assert set(_modules()) >= PURE


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_import_only_pure_modules(module: str) -> None:
    packages = set(PACKAGES)
    assert _ours(module) - packages <= PURE


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules_do_no_io(module: str) -> None:
    touched = {
        bad
        for bad in IMPURE_STDLIB
        for name in _imports(module)
        if name == bad or name.startswith(bad + ".")
    }
    assert not touched


def test_only_the_clock_reads_the_time() -> None:
    readers = {
        module
        for module, path in _modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and node.attr in {"now", "utcnow", "today"}
        and isinstance(node.value, ast.Name | ast.Attribute)
        and ast.unparse(node.value) in {"datetime", "datetime.datetime", "date", "datetime.date"}
    }
    assert readers <= {"updog.clock"}


def test_imports_form_a_dag() -> None:
    graph = {module: _ours(module) for module in _modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


def test_no_junk_drawer_modules() -> None:
    assert not {module for module in _modules() if module.rpartition(".")[2] in JUNK_NAMES}


@pytest.mark.parametrize(
    "command",
    [
        ("updog", "--help"),
        ("updog", "status", "--help"),
        ("updog", "rollback", "--help"),
        ("signpost", "--help"),
    ],
)
def test_light_commands_import_no_network_and_no_tuf(command: tuple[str, ...]) -> None:
    module = {"updog": "updog.cli", "signpost": "updog.signpost"}[command[0]]
    probe = (
        "import sys, contextlib, io\n"
        f"from {module} import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({list(command[1:])!r})\n"
        "heavy = {'requests', 'urllib3', 'tuf', 'securesystemslib', 'cryptography', 'ssl'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def _imported_by(config: Path, *command: str) -> set[str]:
    """The packages that a command loads; it must end well."""
    probe = (
        "import sys, contextlib, io\n"
        "from updog.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = main(['--config', {str(config)!r}, *{list(command)!r}])\n"
        "print(code, *sys.modules)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    code, *modules = run.stdout.split()
    assert code == "0", run.stderr
    return set(modules)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The configuration of a host with a repository and a disk, all of it files."""
    client = ClientWorld(tmp_path)
    client.offer(release(V2))
    world = FileWorld(client)
    world.save()
    return world.config


def test_status_loads_no_network_no_tuf_and_no_installing_code(host: Path) -> None:
    loaded = _imported_by(host, "status")
    heavy = {"requests", "urllib3", "tuf", "securesystemslib", "cryptography", "ssl", "lz4"}
    assert not loaded & (heavy | {"updog.select", "updog.install", "updog.update"})
    # Each of these takes as long as the work itself; values on this way are named tuples.
    assert not loaded & {"logging", "dataclasses", "inspect", "shutil", "semver", "updog.version"}


def test_a_check_of_unchanged_metadata_loads_no_tuf_and_no_disk(host: Path) -> None:
    assert "tuf" in _imported_by(host, "check-update")
    loaded = _imported_by(host, "check-update")
    assert not loaded & {"requests", "tuf", "securesystemslib", "cryptography", "lz4"}
    assert not loaded & {"updog.install", "updog.session", "partitions.gpt", "partitions.disk"}
