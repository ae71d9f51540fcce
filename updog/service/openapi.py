"""The service's description for programs, OpenAPI 3.1. PURE.

`app` makes its routes from `ENDPOINTS`, so that nothing is served that is not described here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from updog.service.machine import Command, State
from updog.service.record import CmdStatus

VERSION = "1.0"
TITLE = "updog update API"
JSON = "application/json"
TEXT = "text/plain"
EVENTS = "text/event-stream"

MEMBERS = (
    "target",
    "phase",
    "done",
    "total",
    "percent",
    "received",
    "written",
    "kept",
    "copied",
    "way",
    "rate",
    "seconds_left",
)
"""What is told of an image that moves, as `updog.progress.as_tree` does."""

Tree: TypeAlias = dict[str, Any]
REFUSED = "The peer is in none of the groups that may do this."
BUSY = "Another command is at work, of this service or at a command line."
WRONG = "The machine failed to tell or to do it; the body says why."
_STARTED = "It has begun; how it ends is told by the status, and by what Location names."
_COMMAND = {204: _STARTED, 403: REFUSED, 423: BUSY, 500: WRONG}
_ASKED = {403: REFUSED, 500: WRONG}


class Endpoint(NamedTuple):
    """One request that is answered.

    Attributes:
        method: GET or POST.
        path: with parameters in braces.
        name: of the function in `app` that answers.
        told: what it does.
        answers: what each status means.
        schema: of the body of a 200, by the type of the content.
        acts: whether it changes something.
    """

    method: str
    path: str
    name: str
    told: str
    answers: Mapping[int, str]
    schema: Mapping[str, Tree] = {}
    acts: bool = False


def _ref(name: str) -> Tree:
    return {"$ref": f"#/components/schemas/{name}"}


def _command(path: str, name: str, told: str, missing: str = "") -> Endpoint:
    # A command that needs nothing to be there is allowed in every state.
    refused = {404: missing, 409: "Not allowed in this state."} if missing else {}
    answers = dict(sorted((_COMMAND | refused).items()))
    return Endpoint("POST", f"/actions/{path}", name, told, answers, acts=True)


ENDPOINTS = (
    _command("refresh-updates", "refresh", "Ask the repository which updates there are."),
    _command(
        "prepare-update",
        "prepare",
        "Write the chosen update to the inactive set and check it.",
        "No update is chosen.",
    ),
    _command(
        "activate-update",
        "activate",
        "Let the staged update boot next.",
        "No update is staged.",
    ),
    _command(
        "deactivate-update",
        "deactivate",
        "Take an activation back.",
        "No update is staged.",
    ),
    Endpoint(
        "POST",
        "/actions/cancel",
        "cancel",
        "End the refresh or prepare under way.",
        {204: "It was told to end.", 403: REFUSED, 409: "There is none that could be ended."},
        acts=True,
    ),
    Endpoint(
        "POST",
        "/actions/reboot",
        "reboot",
        "Restart the machine; inhibitors are honoured.",
        {204: "The machine will restart.", **_ASKED},
        acts=True,
    ),
    Endpoint(
        "GET",
        "/updates/status",
        "status",
        "How things are.",
        {
            200: "The status.",
            404: "No command was ever given; refresh first.",
            423: BUSY,
            **_ASKED,
        },
        {JSON: _ref("Status")},
    ),
    Endpoint(
        "GET",
        "/updates/progress",
        "progress",
        "How far the command under way is; as events until it ends, if the client accepts them.",
        {200: "Where it is.", 403: REFUSED},
        {JSON: _ref("Progress"), EVENTS: {"type": "string"}},
    ),
    Endpoint(
        "GET",
        "/updates/commands/{number}",
        "outcome",
        "How a command ended, by the number that began it.",
        {200: "It has ended.", 403: REFUSED, 404: "It has not, or that was long ago."},
        {JSON: _ref("Outcome")},
    ),
    Endpoint(
        "GET",
        "/updates/why",
        "why",
        "Which update would be chosen and why not the others; asks the repository.",
        {200: "As `updog why --json` says it.", 423: BUSY, **_ASKED},
        {JSON: _ref("Why")},
    ),
    Endpoint(
        "GET",
        "/os",
        "system",
        "What runs.",
        {200: "The running system.", **_ASKED},
        {JSON: _ref("System")},
    ),
    Endpoint(
        "GET",
        "/metrics",
        "figures",
        "Figures for Prometheus.",
        {200: "All of them.", 403: REFUSED},
        {TEXT: {"type": "string"}},
    ),
    Endpoint(
        "GET",
        "/openapi.json",
        "description",
        "This description.",
        {200: "OpenAPI 3.1.", 403: REFUSED},
        {JSON: {"type": "object"}},
    ),
)


def description() -> Tree:
    """The whole description."""
    paths: Tree = {}
    for each in ENDPOINTS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION},
        "paths": paths,
        "components": {"schemas": _schemas()},
    }


def _operation(each: Endpoint) -> Tree:
    tree: Tree = {
        "operationId": each.name,
        "summary": each.told,
        "responses": {str(code): _answer(each, code, told) for code, told in each.answers.items()},
    }
    if "{number}" in each.path:
        schema = {"type": "integer", "minimum": 1, "maximum": 2**53}
        tree["parameters"] = [{"name": "number", "in": "path", "required": True, "schema": schema}]
    return tree


def _answer(each: Endpoint, code: int, told: str) -> Tree:
    tree: Tree = {"description": told}
    if code == 200:  # noqa: PLR2004 - the number says it best
        tree["content"] = {kind: {"schema": schema} for kind, schema in each.schema.items()}
    elif code != 204:  # noqa: PLR2004 - the same
        tree["content"] = {TEXT: {"schema": {"type": "string"}}}
    elif "Location" in told:
        place = {"description": "Where its outcome will be.", "schema": {"type": "string"}}
        tree["headers"] = {"Location": place}
    return tree


def _object(**members: Tree) -> Tree:
    return {"type": "object", "required": list(members), "properties": members}


def _or_null(schema: Tree) -> Tree:
    return {"anyOf": [schema, {"type": "null"}]}


_STRING: Tree = {"type": "string"}
_WHOLE: Tree = {"type": "integer", "minimum": 0}


def _schemas() -> Tree:
    moving = {name: _or_null(_WHOLE) for name in MEMBERS}
    moving |= {name: _or_null(_STRING) for name in ("target", "phase", "way")}
    command = {"type": "string", "enum": list(Command)}
    return {
        "Image": _object(arch=_STRING, version=_STRING, variant=_STRING),
        "Partition": _object(image=_ref("Image"), next_to_boot={"type": "boolean"}),
        "Outcome": _object(
            cmd_type=command,
            cmd_status={"type": "string", "enum": list(CmdStatus)},
            timestamp={"type": "string", "format": "date-time"},
            exit_status=_WHOLE,
            stderr=_STRING,
        ),
        "Status": _object(
            update_state={"type": "string", "enum": list(State)},
            available_updates={"type": "array", "items": _STRING},
            chosen_update=_or_null(_ref("Image")),
            active_partition=_ref("Partition"),
            staging_partition=_or_null(_ref("Partition")),
            most_recent_command=_ref("Outcome"),
        ),
        "Progress": _object(command=_or_null(command), number=_or_null(_WHOLE), **moving),
        "Why": _object(
            now=_STRING,
            host={"type": "object"},
            policy={"type": "object"},
            choice=_or_null({"type": "object"}),
            updates={"type": "array", "items": {"type": "object"}},
            metadata={"type": "object"},
            boot=_or_null({"type": "object"}),
            problems={"type": "array", "items": _STRING},
        ),
        "System": _object(
            pretty_name=_STRING,
            variant_id=_STRING,
            version_id=_STRING,
            build_id=_STRING,
            arch=_STRING,
        ),
    }
