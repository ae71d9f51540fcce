from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.server import Kube, serving


@pytest.fixture
def kube() -> Iterator[Kube]:
    with serving() as running:
        yield running


@pytest.fixture
def client(kube: Kube) -> Client:
    return Client(kube.url)
