"""The CloudFormation template and the Terraform module, judged as far as goes without AWS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.ecsworld import TEMPLATE, template
from updog.fleet.ecs import flags

pytestmark = pytest.mark.slow

MODULE = TEMPLATE.parent / "terraform"
LIMIT = 300.0


def texts(tree: Any) -> Iterator[str]:
    """Every text in a tree."""
    if isinstance(tree, dict):
        for each in tree.values():
            yield from texts(each)
    elif isinstance(tree, list):
        for each in tree:
            yield from texts(each)
    elif isinstance(tree, str):
        yield tree


def actions(text: str) -> set[str]:
    """The permissions that are named in a text."""
    return set(re.findall(r"\b(?:ecs|ec2|ssm|ecr|logs|iam|sts):[A-Z]\w+", text))


def module() -> str:
    return "\n".join(path.read_text() for path in sorted(MODULE.glob("*.tf")))


def command_words() -> list[str]:
    """The arguments that the template gives the program."""
    definition = template()["Resources"]["TaskDefinition"]["Properties"]
    return [str(word) for word in definition["ContainerDefinitions"][0]["Command"]]


def test_cfn_lint_finds_nothing_in_the_template() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "--", TEMPLATE],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_template_calls_the_program_as_it_wants_to_be_called() -> None:
    words = [word for word in command_words() if not word.startswith("!If")]
    plain = [re.sub(r"^!Ref (Budget|MaxFailures)$", "1", word) for word in words]
    args = flags.parse([re.sub("^!Ref Tasks$", "skip", word) for word in plain])
    assert args.cluster == "!Ref ClusterName"
    assert (args.check_document, args.reboot_document) == (
        "!Ref CheckDocument",
        "!Ref RebootDocument",
    )


def test_the_documents_run_apiclient_and_nothing_else() -> None:
    resources = template()["Resources"]
    lines = [
        line
        for resource in resources.values()
        if resource["Type"] == "AWS::SSM::Document"
        for step in resource["Properties"]["Content"]["mainSteps"]
        for line in step["inputs"]["runCommand"]
    ]
    assert lines == ["apiclient update check", "apiclient update apply", "apiclient reboot"]


def test_the_updater_may_do_what_it_does_and_no_more() -> None:
    policies = template()["Resources"]["TaskRole"]["Properties"]["Policies"]
    assert actions("\n".join(texts(policies)) + str(policies)) == {
        "ecs:ListContainerInstances",
        "ecs:DescribeContainerInstances",
        "ecs:UpdateContainerInstancesState",
        "ecs:PutAttributes",
        "ecs:DeleteAttributes",
        "ecs:ListTasks",
        "ecs:DescribeTasks",
        "ecs:StopTask",
        "ssm:SendCommand",
        "ssm:GetCommandInvocation",
        "ec2:DescribeInstanceStatus",
    }


def test_whatever_knows_the_cluster_is_bound_to_it() -> None:
    statements = template()["Resources"]["TaskRole"]["Properties"]["Policies"][0]
    for statement in statements["PolicyDocument"]["Statement"]:
        if isinstance(statement, dict) and statement["Resource"] == "*":
            free = actions(json.dumps(statement["Action"])) if "Condition" not in statement else ()
            assert set(free) <= {"ssm:GetCommandInvocation", "ec2:DescribeInstanceStatus"}


def test_the_module_is_what_the_template_is() -> None:
    said, shown = module(), TEMPLATE.read_text()
    assert actions(said) == actions(shown)
    for line in ("apiclient update check", "apiclient update apply", "apiclient reboot"):
        assert line in said
    shared = set(re.findall(r"--[a-z-]+", " ".join(command_words()))) | {"--every"}
    assert set(re.findall(r'"(--[a-z-]+)"', said)) == shared
    assert "stopTimeout = 120" in said


@pytest.fixture
def terraform(tmp_path: Path) -> Iterator[list[str]]:
    """Terraform on a copy of the module, without any configuration of this machine."""
    program = shutil.which("terraform")
    if program is None:
        pytest.skip("terraform is missing: https://developer.hashicorp.com/terraform/install")
    copy = tmp_path / "module"
    shutil.copytree(MODULE, copy, ignore=shutil.ignore_patterns(".terraform*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHECKPOINT_DISABLE", "1")
        patch.setenv("TF_CLI_CONFIG_FILE", os.devnull)
        yield [program, f"-chdir={copy}"]


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=LIMIT, check=False)


def test_the_module_is_formatted_and_parses(terraform: list[str]) -> None:
    done = run([*terraform, "fmt", "-check", "-diff", "-recursive"])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    # Loads every block: what stands twice, or where it must not, is told here.
    done = run([*terraform, "get", "-no-color"])
    assert done.returncode == 0, done.stderr


def test_the_module_is_valid_for_the_provider(terraform: list[str]) -> None:
    if "TF_PLUGIN_MIRROR" not in os.environ:
        pytest.skip("set TF_PLUGIN_MIRROR to a folder made by: terraform providers mirror")
    mirror = f"-plugin-dir={os.environ['TF_PLUGIN_MIRROR']}"
    done = run([*terraform, "init", "-backend=false", "-input=false", "-no-color", mirror])
    assert done.returncode == 0, done.stderr
    done = run([*terraform, "validate", "-no-color"])
    assert done.returncode == 0, done.stderr
