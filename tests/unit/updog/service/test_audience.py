from __future__ import annotations

import asyncio

from updog.service.audience import Audience
from updog.service.machine import Command


async def heard(audience: Audience) -> list[dict[str, object] | None]:
    return [tree async for tree in audience.follow()]


async def told(audience: Audience, *done: int) -> None:
    """A prepare from its beginning to its end."""
    audience.begin(Command.PREPARE, 4)
    for each in done:
        await asyncio.sleep(0)
        audience.move({"target": "root", "done": each, "unknown": 1})
    await asyncio.sleep(0)
    audience.end()


def test_where_nothing_works_a_listener_hears_that_and_no_more() -> None:
    (tree,) = asyncio.run(heard(Audience()))
    assert tree is not None
    assert set(tree.values()) == {None}


def test_a_listener_hears_the_steps_and_the_end() -> None:
    async def both() -> list[dict[str, object] | None]:
        audience = Audience()
        audience.begin(Command.PREPARE, 4)
        trees, _ = await asyncio.gather(heard(audience), told(audience, 1, 2))
        return trees

    trees = asyncio.run(both())
    assert [tree and tree["command"] for tree in trees] == ["prepare"] * (len(trees) - 1) + [None]
    assert any(tree and tree["done"] for tree in trees)
    assert not any(tree and "unknown" in tree for tree in trees)


def test_a_slow_listener_misses_steps_but_never_the_end() -> None:
    async def slow() -> list[object]:
        audience = Audience()
        audience.begin(Command.REFRESH, 1)
        follower = aiter(audience.follow())
        first = await anext(follower)
        for each in range(100):
            audience.move({"done": each})
        audience.end()
        return [first, *[tree async for tree in follower]]

    first, *rest = asyncio.run(slow())
    assert isinstance(first, dict)
    assert first["command"] == "refresh"
    assert len(rest) == 1
    assert isinstance(rest[0], dict)
    assert rest[0]["command"] is None
