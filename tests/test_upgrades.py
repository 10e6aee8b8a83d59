"""Migrations convert data that older versions stored."""

import importlib
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from alembic import command

from chassis.database import migrations
from devstack.instance import Instance
from operate import postgres

Upgraded = Callable[[str, str, str], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def upgraded(apart: Instance, monkeypatch: pytest.MonkeyPatch) -> Upgraded:
    """Inserts into a service's first schema, migrates it, and returns the rows of a query."""

    async def run(service: str, fill: str, read: str) -> list[dict[str, Any]]:
        environment = apart.service_environment(service)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings = importlib.import_module(f"services.{service}.settings").Settings()
        config = migrations.alembic_config(f"services.{service}", settings)
        with ThreadPoolExecutor(1) as thread:
            thread.submit(command.upgrade, config, "0001").result()
            async with postgres.connect(environment) as connection:
                await connection.execute(fill)
                thread.submit(command.upgrade, config, "head").result()
                return [dict(row) for row in await connection.fetch(read)]

    return run


async def test_old_cards_get_the_members_that_later_ones_have(upgraded: Upgraded) -> None:
    card = r'"id":1,"content":"\"a\" ’","attachments":["/uploads/x.png","/uploads/y.png"]'

    first, second, third = await upgraded(
        "feed",
        f"""insert into tweet (id, card) values
            (1, '{card}'), (2, '"id":2,"attachments":[]'), (3, null)""",
        "select card, has_media from tweet order by id",
    )

    unknown = {"width": None, "height": None, "alt": ""}
    assert json.loads(f"{{{first['card']}}}") == json.loads(f"{{{card}}}") | {
        "media": [
            {"url": path, "thumbnail": path, **unknown}
            for path in ("/uploads/x.png", "/uploads/y.png")
        ],
        "reply_to": None,
        "root_id": 1,
        "entities": [],
    }
    assert [first["has_media"], second["has_media"]] == [True, False]
    assert json.loads(f"{{{second['card']}}}")["media"] == []
    assert third["card"] is None


async def test_old_pictures_have_no_thumbnail_and_no_words(upgraded: Upgraded) -> None:
    records = await upgraded(
        "media",
        """insert into media (owner_id, name, content_type, size, width, height)
            values (1, 'x.png', 'image/png', 9, 3, 2)""",
        "select name, width, thumbnail, thumbnail_size, alt from media",
    )
    copies = await upgraded(
        "tweets",
        "insert into media (id, owner_id, path) values (1, 1, '/uploads/x.png')",
        "select path, width, height, thumbnail, alt from media",
    )

    assert records == [
        {"name": "x.png", "width": 3, "thumbnail": None, "thumbnail_size": None, "alt": ""}
    ]
    assert copies == [
        {"path": "/uploads/x.png", "width": None, "height": None, "thumbnail": None, "alt": ""}
    ]


async def test_people_from_before_are_found_by_the_new_search_form(upgraded: Upgraded) -> None:
    people = await upgraded(
        "users",
        """insert into person (name, folded)
            select 'Filler', 'filler' from generate_series(1, 1500)
            union all values ('Søren O’Brien', 'søren o’brien'), ('Ёлкин', 'елкин'), ('', '')""",
        "select name, folded from person where name <> 'Filler' or folded <> 'filler' order by id",
    )

    assert [(person["name"], person["folded"]) for person in people] == [
        ("Søren O’Brien", "soren obrien"),
        ("Ёлкин", "елкин\nelkin"),
        ("", ""),
    ]
