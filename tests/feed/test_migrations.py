"""What a new version makes of what an old one has stored."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from alembic import command

from chassis import database
from deploy.local.instance import Instance


async def test_old_cards_tell_where_their_pictures_are(
    apart: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = apart.service_environment("feed")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cards = {
        1: '"id":1,"content":"\\"a\\"","attachments":["/uploads/x.png","/uploads/y.png"]',
        2: '"id":2,"attachments":[]',
        3: None,
    }
    with ThreadPoolExecutor(1) as thread:
        upgrade = _upgrade()
        thread.submit(upgrade, "0001").result()
        connection = await asyncpg.connect(
            host=environment["DB_HOST"],
            port=int(environment["DB_PORT"]),
            user=environment["DB_USER"],
            password=environment["DB_PASSWORD"],
            database=environment["DB_NAME"],
        )
        try:
            for tweet_id, card in cards.items():
                await connection.execute(
                    "insert into tweet (id, card) values ($1, $2)", tweet_id, card
                )
            thread.submit(upgrade, "head").result()
            rows = await connection.fetch("select card from tweet order by id")
        finally:
            await connection.close()

    first, second, third = [row["card"] for row in rows]
    unknown = {"width": None, "height": None, "alt": ""}
    assert json.loads(f"{{{first}}}") == json.loads(f"{{{cards[1]}}}") | {
        "media": [
            {"url": path, "thumbnail": path, **unknown}
            for path in ("/uploads/x.png", "/uploads/y.png")
        ]
    }
    assert json.loads(f"{{{second}}}")["media"] == []
    assert third is None


def _upgrade() -> Callable[[str], None]:
    from services.feed.settings import Settings

    config = database.alembic_config("services.feed", Settings())
    return lambda revision: command.upgrade(config, revision)
