"""The service against its own OpenAPI, on the real socket, by Schemathesis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.fakes.api_service import Service, make_world, service
from tests.fakes.unix_requests import session
from updog.service.openapi import ENDPOINTS, Endpoint

pytestmark = pytest.mark.slow

ACCEPTED = {200, 204}
WAITS = 0.5


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(make_world(tmp_path_factory.mktemp("api"))) as running:
        yield running


def snapshot(api: Service) -> dict[Path, bytes]:
    world = api.world
    paths = (world.disk, world.client.paths.service_record, world.client.paths.staged)
    return {path: path.read_bytes() for path in paths if path.exists()}


def quiet(api: Service) -> None:
    """Wait until nothing is at work."""
    while api.ask("GET", "/updates/status").status == 423:
        pass


def conforms(api: Service, case: Case[Any]) -> int:
    """Send a case and hold the answer against the description; returns its status."""
    with session(api.socket) as through:
        response = case.call(base_url="http://localhost", session=through)
        assert response.status_code < 500
        case.validate_response(response)
    return int(response.status_code)


def described(api: Service) -> OpenApiSchema:
    return schemathesis.openapi.from_dict(api.ask("GET", "/openapi.json").tree)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_every_answer_is_one_that_is_described(api: Service, endpoint: Endpoint) -> None:
    operation = described(api)[endpoint.path][endpoint.method]

    @given(case=operation.as_strategy())
    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case[Any]) -> None:
        quiet(api)
        before = snapshot(api)
        if conforms(api, case) not in ACCEPTED:
            assert snapshot(api) == before
        quiet(api)

    ask()


def test_a_walk_at_random_finds_no_answer_that_is_not_described(api: Service) -> None:
    schema, chance = described(api), Random(7)
    seen = set()
    for _ in range(60):
        endpoint = chance.choice(ENDPOINTS)
        operation = schema[endpoint.path][endpoint.method]
        values = {"number": chance.randrange(1, 9)} if "{number}" in endpoint.path else None
        seen.add(conforms(api, operation.Case(path_parameters=values)))
        # Now at once, so that it meets a command at work, and now when that is done.
        if chance.random() < WAITS:
            quiet(api)
    assert seen >= {200, 204, 409, 423}
    quiet(api)


def test_a_broken_description_would_be_noticed(api: Service) -> None:
    tree = api.ask("GET", "/openapi.json").tree
    tree["components"]["schemas"]["System"]["required"].append("colour")
    operation = schemathesis.openapi.from_dict(tree)["/os"]["GET"]
    with pytest.raises(FailureGroup):
        conforms(api, operation.Case())


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("DELETE", "/updates/status", 405),
        ("GET", "/actions/reboot", 405),
        ("GET", "/nothing", 404),
        ("GET", "/updates/commands/0", 404),
        ("GET", "/updates/commands/-1", 404),
        ("GET", "/updates/commands/x", 404),
        ("GET", f"/updates/commands/{'9' * 5000}", 404),
        ("GET", "/updates/commands/%F0%9F%90%B6", 404),
    ],
)
def test_what_is_not_described_is_refused(api: Service, method: str, uri: str, status: int) -> None:
    assert api.ask(method, uri).status == status
