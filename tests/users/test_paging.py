"""A page of followers costs the same at any place in the list, however many followers there are."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest
from sqlalchemy import event

from chassis import paging, testing
from deploy.local import postgres
from deploy.local.instance import Instance
from services.users import main

FOLLOWERS = 50_000
MANY_FOLLOWERS = 1_000_000
PER_FOLLOWED = 10
"""The star follows one person for so many followers."""
STAR, FIRST = 100, 1_000
"""Their number, and that of the first of the others."""
PAGE = 100

Costs = Callable[[str], Awaitable[tuple[httpx.Response, "Cost"]]]
"""The answer at a path, and what its statements cost."""

_LOAD = f"""
insert into users.person (id, name, folded, follower_count, following_count) overriding system value
select {FIRST} + number, 'Fan ' || number, '', 1, 1 from generate_series(1, %(followers)s) as number
union all select {STAR}, 'Star', '', %(followers)s, %(followed)s;
insert into users.follow (follower_id, followed_id, active, version)
select {FIRST} + number, {STAR}, true, number from generate_series(1, %(followers)s) as number
union all
select {STAR}, {FIRST} + number, true, number from generate_series(1, %(followed)s) as number;
"""


class Cost(NamedTuple):
    """What PostgreSQL read for an answer."""

    rows: int
    blocks: int


@pytest.fixture(
    scope="module", params=[FOLLOWERS, pytest.param(MANY_FOLLOWERS, marks=pytest.mark.slow)]
)
async def followers(
    as_service: Callable[[str], None], apart: Instance, request: pytest.FixtureRequest
) -> int:
    """How many people follow the star, once they are in the database."""
    as_service("users")
    many: int = request.param
    async with postgres.connected(apart.database()) as connection:
        await connection.execute("truncate users.follow, users.person cascade")
        # To look up the keys of each row would take longer than all else.
        await connection.execute("set session_replication_role = replica")
        await connection.execute(_LOAD % {"followers": many, "followed": many // PER_FOLLOWED})
        await connection.execute("vacuum analyze users.follow, users.person")
    return many


@pytest.fixture
async def costs(followers: int, apart: Instance) -> AsyncIterator[Costs]:
    app = main.create_app()
    asked: list[tuple[str, Any]] = []
    async with (
        testing.serving(app) as client,
        postgres.connected(apart.database()) as connection,
    ):
        await connection.execute("set search_path to users, extensions")

        @event.listens_for(app.state.database.engine.sync_engine, "before_cursor_execute")
        def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked.append((statement, parameters))

        async def costs(path: str) -> tuple[httpx.Response, Cost]:
            asked.clear()
            answer = await client.get(path, headers=testing.signed("users", 1))
            measured = [
                await _cost(connection, *one) for one in asked if "select" in one[0].lower()
            ]
            return answer, Cost(*map(sum, zip(*measured, strict=True)))

        yield costs


async def _cost(connection: asyncpg.Connection, statement: str, parameters: Any) -> Cost:
    explain = f"explain (analyze, buffers, format json) {statement}"
    plan = json.loads(await connection.fetchval(explain, *parameters))[0]["Plan"]

    def rows(node: dict[str, Any]) -> float:
        own = node["Actual Rows"] * node["Actual Loops"] if "Relation Name" in node else 0
        return own + sum(map(rows, node.get("Plans", [])))

    return Cost(int(rows(plan)), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize(("way", "share"), [("followers", 1), ("following", PER_FOLLOWED)])
async def test_a_page_costs_the_same_wherever_it_lies(
    costs: Costs, followers: int, way: str, share: int
) -> None:
    many, spent = followers // share, {}
    for place in (many + 1, many // 2, PAGE + 1):
        cursor = paging.encode(place)
        answer, spent[place] = await costs(f"/api/users/{STAR}/{way}?limit={PAGE}&cursor={cursor}")
        ids = [user["id"] - FIRST for user in answer.json()["users"]]
        assert ids == list(range(place - 1, place - 1 - PAGE, -1))

    for cost in spent.values():
        # The page and one more, each with the person and whether the reader follows them.
        assert cost.rows <= 3 * (PAGE + 1) + 2
        assert cost.blocks <= 12 * (PAGE + 1)
    assert max(cost.blocks for cost in spent.values()) <= 2 * min(
        cost.blocks for cost in spent.values()
    )


async def test_a_profile_costs_no_more_for_a_million_followers(
    costs: Costs, followers: int
) -> None:
    answer, cost = await costs(f"/api/users/{STAR}")

    user = answer.json()["user"]
    assert (user["follower_count"], len(user["followers"])) == (followers, 100)
    assert cost.rows <= 500
    assert cost.blocks <= 2_000


async def test_all_pages_together_are_everybody_once(costs: Costs, followers: int) -> None:
    """From the middle of the list on, a few pages: none is left out or comes twice."""
    path, seen = f"/api/users/{STAR}/followers?limit={PAGE}", []
    cursor = paging.encode(followers // 2)
    for _ in range(5):
        answer, _ = await costs(f"{path}&cursor={cursor}")
        seen += [user["id"] - FIRST for user in answer.json()["users"]]
        cursor = answer.json()["next_cursor"]

    assert seen == list(range(followers // 2 - 1, followers // 2 - 1 - 5 * PAGE, -1))
