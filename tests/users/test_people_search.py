"""A search for people finds the best matches without comparing every name."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from devstack.instance import Instance
from operate import postgres
from services.users import names
from tests import plans

MANY = 20_000
_FIRST = ["Анна", "Boris", "Zhanna", "Жанна", "Wolfgang", "Søren", "Юлия", "Анатолий", "Maria"]
_SECOND = ["Ким", "Gray", "Smirnova", "Смирнова", "Schmidt", "Hansen", "Щукина", "Annan", "Нано"]
# What the steps of the search must find together: everybody who matches, in this order.
_REFERENCE = """
select id from person
where deactivated_at is null
    and (folded like $2 or folded like $5 or $1 <% folded or $4 <% folded)
order by (E'\\n' || folded like $3 or E'\\n' || folded like $6) desc,
    (folded like $2 or folded like $5) desc,
    greatest(word_similarity($1, folded), word_similarity($4, folded)) desc,
    follower_count desc, id
"""


def name(number: int) -> str:
    first, second = _FIRST[number % 9], _SECOND[number // 9 % 9]
    # The letters make most names so different that they are similar to no query.
    rest = "".join(chr(ord("a") + number * prime % 26) for prime in (3, 5, 7, 11, 17))
    return f"{first} {second}" if number % 40 == 0 else f"{rest} {rest[::-1]}{number}"


@pytest.fixture
async def users(app: FastAPI, apart: Instance) -> AsyncIterator[httpx.AsyncClient]:
    """20,000 people, of whom every fortieth has one of 81 common names."""
    async with postgres.connect(apart.service_environment("users")) as connection:
        if not await connection.fetchval("select count(*) from person"):
            people = [
                (named := name(number), names.search_form(named), number % 7)
                for number in range(MANY)
            ]
            await connection.copy_records_to_table(
                "person", records=people, columns=["name", "folded", "follower_count"]
            )
            await connection.execute("vacuum analyze person")
    async with testing.client_for(app) as client:
        yield client


QUERIES = ["анна", "Anna", "ann", "an", "nna k", "Анна Ким", "anna smernova", "Щукнна", "wolfgnag"]


@pytest.mark.parametrize("query", QUERIES)
async def test_the_steps_of_a_search_find_what_one_comparison_of_all_names_finds(
    users: httpx.AsyncClient, apart: Instance, query: str
) -> None:
    arguments: list[str] = []
    folded = names.fold(query)
    for text in (folded, names.in_latin_letters(folded)):
        arguments += (text, f"%{text}%", f"%\n{text}%")
    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute("set pg_trgm.word_similarity_threshold = 0.4")
        expected = [row["id"] for row in await connection.fetch(_REFERENCE, *arguments)]

    found: list[int] = []
    parameters = {"query": query, "limit": "60"}
    while parameters.get("cursor") != "":
        response = await users.get(
            "/api/users", params=parameters, headers=testing.identity_headers("users", 1)
        )
        found += [user["id"] for user in response.json()["users"]]
        parameters["cursor"] = response.json()["next_cursor"] or ""

    assert expected
    assert found == expected[:500]


@pytest.mark.parametrize(
    ("query", "compared"),
    [("анна", 300), ("Boris Gray", 300), ("anna smernova", 2_000), ("Щукнна", 2_000)],
)
async def test_a_search_compares_the_names_that_the_index_gives(
    users: httpx.AsyncClient,
    apart: Instance,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
    compared: int,
) -> None:
    executed: list[tuple[str, Any]] = []
    fetch = asyncpg.Connection.fetch

    async def note(self: asyncpg.Connection, statement: str, *parameters: object) -> Any:
        executed.append((statement, parameters))
        return await fetch(self, statement, *parameters)

    monkeypatch.setattr(asyncpg.Connection, "fetch", note)
    headers = testing.identity_headers("users", 1)
    response = await users.get("/api/users", params={"query": query}, headers=headers)

    ((statement, parameters),) = [one for one in executed if "person" in one[0]]
    plan = await _plan(apart, statement, parameters)
    assert response.json()["users"]
    assert {node["Node Type"] for node in plan} & {"Seq Scan"} == set()
    rows = [
        node["Actual Rows"] + node.get("Rows Removed by Index Recheck", 0)
        for node in plan
        if node["Node Type"] == "Bitmap Heap Scan" and node["Actual Loops"]
    ]
    assert sum(rows) <= compared


async def _plan(apart: Instance, statement: str, parameters: Any) -> list[dict[str, Any]]:
    """The nodes of the plan that the connections of the api process use, as it was executed."""
    async with postgres.connect(apart.service_environment("users")) as connection:
        await connection.execute("set pg_trgm.word_similarity_threshold = 0.4")
        await connection.execute("set plan_cache_mode = force_generic_plan")
        return plans.nodes(await connection.fetchval(plans.EXPLAIN + statement, *parameters))
