"""A page of followers costs the same at any place in the list, however many followers there are."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import httpx
import pytest

from chassis import testing
from chassis.http import paging
from devstack.instance import Instance
from operate import postgres
from services.users import api_process
from tests import plans

FOLLOWERS = 50_000
MANY_FOLLOWERS = 1_000_000
PER_FOLLOWED = 10
"""The popular person follows one person for this many followers."""
STAR, FIRST = 100, 1_000
"""The id of the popular person, and the first id of the others."""
PAGE = 100

Costs = Callable[[str], Awaitable[tuple[httpx.Response, "Cost"]]]
"""Requests a path; returns the response and the cost of its statements."""

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
    """What PostgreSQL read for a response."""

    rows: int
    blocks: int


@pytest.fixture(
    scope="module", params=[FOLLOWERS, pytest.param(MANY_FOLLOWERS, marks=pytest.mark.slow)]
)
async def followers(
    as_service: Callable[[str], None], apart: Instance, request: pytest.FixtureRequest
) -> int:
    """Inserts the followers of the popular person; their number."""
    as_service("users")
    many: int = request.param
    async with postgres.connect(apart.database()) as connection:
        await connection.execute("truncate users.follow, users.person cascade")
        # Checking the foreign keys of each row would take longer than everything else.
        await connection.execute("set session_replication_role = replica")
        await connection.execute(_LOAD % {"followers": many, "followed": many // PER_FOLLOWED})
        await connection.execute("vacuum analyze users.follow, users.person")
    return many


@pytest.fixture
async def costs(
    followers: int, apart: Instance, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Costs]:
    app = api_process.create_app()
    executed: list[tuple[str, Any]] = []
    async with (
        testing.client_for(app) as client,
        postgres.connect(apart.database()) as connection,
    ):
        await connection.execute("set search_path to users, extensions")

        async def note(self: asyncpg.Connection, statement: str, *parameters: object) -> Any:
            executed.append((statement, parameters))
            return await fetch(self, statement, *parameters)

        fetch = asyncpg.Connection.fetch
        monkeypatch.setattr(asyncpg.Connection, "fetch", note)

        async def costs(path: str) -> tuple[httpx.Response, Cost]:
            executed.clear()
            response = await client.get(path, headers=testing.identity_headers("users", 1))
            measured = [
                await _cost(connection, *one) for one in executed if "select" in one[0].lower()
            ]
            return response, Cost(*map(sum, zip(*measured, strict=True)))

        yield costs


async def _cost(connection: asyncpg.Connection, statement: str, parameters: Any) -> Cost:
    explained = await connection.fetchval(plans.EXPLAIN + statement, *parameters)
    plan = plans.nodes(explained)[0]
    return Cost(plans.rows_read(explained), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


@pytest.mark.parametrize(("way", "share"), [("followers", 1), ("following", PER_FOLLOWED)])
async def test_a_page_costs_the_same_at_any_place_in_the_list(
    costs: Costs, followers: int, way: str, share: int
) -> None:
    many, spent = followers // share, {}
    for place in (many + 1, many // 2, PAGE + 1):
        cursor = paging.encode(place)
        response, spent[place] = await costs(
            f"/api/users/{STAR}/{way}?limit={PAGE}&cursor={cursor}"
        )
        ids = [user["id"] - FIRST for user in response.json()["users"]]
        assert ids == list(range(place - 1, place - 1 - PAGE, -1))

    for cost in spent.values():
        # The rows of the page and one more, each with a person and a lookup of the reader's follow.
        assert cost.rows <= 3 * (PAGE + 1) + 2
        assert cost.blocks <= 12 * (PAGE + 1)
    assert max(cost.blocks for cost in spent.values()) <= 2 * min(
        cost.blocks for cost in spent.values()
    )


async def test_a_profile_costs_no_more_for_a_million_followers(
    costs: Costs, followers: int
) -> None:
    response, cost = await costs(f"/api/users/{STAR}")

    user = response.json()["user"]
    assert (user["follower_count"], len(user["followers"])) == (followers, 100)
    assert cost.rows <= 500
    assert cost.blocks <= 2_000


async def test_all_pages_together_contain_everybody_once(costs: Costs, followers: int) -> None:
    """A few pages from the middle of the list: nobody is missing or repeated."""
    path, seen = f"/api/users/{STAR}/followers?limit={PAGE}", []
    cursor = paging.encode(followers // 2)
    for _ in range(5):
        response, _ = await costs(f"{path}&cursor={cursor}")
        seen += [user["id"] - FIRST for user in response.json()["users"]]
        cursor = response.json()["next_cursor"]

    assert seen == list(range(followers // 2 - 1, followers // 2 - 1 - 5 * PAGE, -1))
