"""Who this updater is, and whether another one of its kind is at work."""

from __future__ import annotations

import http.client
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from updog.errors import UpdogError
from updog.fleet.ecs.cloud import Cloud
from updog.fleet.ecs.decide import must_yield

METADATA = "ECS_CONTAINER_METADATA_URI_V4"
DEFINITION = "TASK_DEFINITION_ARN"
TIMEOUT = 2.0
LIMIT = 1 << 20
_TASK = "task-"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """This updater.

    Attributes:
        name: of its runs, as it stands in claims.
        task: ARN of its task; empty if it is none, or does not know.
        family: of its task definition; empty if unknown.
    """

    name: str
    task: str = ""
    family: str = ""

    def yields(self, cloud: Cloud) -> bool:
        """Whether another updater of the family goes first.

        Raises:
            UpdogError: ECS cannot be asked.
        """
        if not self.family:
            log.info("no task definition is known: only claims keep two updaters apart")
            return False
        return must_yield(self.task, cloud.updaters(self.family))

    def knows_to_be_over(self, cloud: Cloud, run: str) -> bool:
        """Whether ECS says that the task of another run has stopped; doubt is no."""
        if not run.startswith(_TASK):
            return False
        try:
            return cloud.has_stopped(run.removeprefix(_TASK))
        except UpdogError as error:
            log.warning("%s", error)
            return False


def identify(environment: Mapping[str, str]) -> Identity:
    """Who this process is, by what ECS tells it.

    Args:
        environment: variables of the process.
    """
    told = _metadata(environment.get(METADATA, ""))
    task = str(told.get("TaskARN") or "")
    family = str(told.get("Family") or "") or family_of(environment.get(DEFINITION, ""))
    number = task.rpartition("/")[2]
    # A task's number lets others ask ECS whether it still runs; anything else is by chance.
    return Identity(f"{_TASK}{number}" if number else f"run-{os.urandom(6).hex()}", task, family)


def family_of(definition: str) -> str:
    """The family in the ARN of a task definition; empty if it is none."""
    resource = definition.partition(":task-definition/")[2]
    return resource.partition(":")[0]


def _metadata(address: str) -> Mapping[str, Any]:
    """What the metadata service says of this task; nothing where there is none."""
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname is None:
        return {}
    wire = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT)
    try:
        wire.request("GET", f"{parts.path}/task")
        tree = json.loads(wire.getresponse().read(LIMIT))
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("%s says nothing: %s", address, error)
        return {}
    finally:
        wire.close()
    return tree if isinstance(tree, dict) else {}
