"""The entities of a text: which parts are links, hashtags and mentions."""

import json
from itertools import count, permutations
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis import testing
from chassis.database.session import Database, execute
from services.tweets import entities
from services.tweets.events import (
    UserDeactivated,
    UserErased,
    UserReactivated,
    UserRegistered,
    UserRenamed,
)
from services.tweets.handlers import subscriptions

AUTHOR = 1
_ids = count(100)
_numbers = count(1)


async def deliver(database: Database, event: Any) -> None:
    await testing.deliver(
        database, subscriptions, event.routing_key, event, next(_numbers), source="users"
    )


async def person(database: Database, name: str) -> int:
    user_id = next(_ids)
    await deliver(database, UserRegistered(user_id=user_id, name=name))
    return user_id


async def post(tweets: httpx.AsyncClient, content: str, **more: Any) -> httpx.Response:
    return await tweets.post(
        "/api/tweets",
        json={"tweet_data": content, **more},
        headers=testing.identity_headers("tweets", AUTHOR),
    )


async def last_entities(database: Database) -> list[dict[str, Any]]:
    """The entities of the tweet that was posted last, as its event has them."""
    statement = text("select payload from outbox order by id desc limit 1")
    async with database.transaction() as session:
        found: list[dict[str, Any]] = (await execute(session, statement)).scalar_one()["entities"]
        return found


@pytest.mark.parametrize(
    ("content", "tags"),
    [
        ("#Ёлка #елка #ЁЛКА", ["елка", "елка", "елка"]),
        ("#край #краи", ["край", "краи"]),
        ("#кра\N{CYRILLIC SMALL LETTER I}\N{COMBINING BREVE}", ["край"]),
        ("#2026 #релиз2 #c++", ["релиз2", "c"]),
        (",#a;#b #snake_case #kebab-case", ["a", "b", "snake_case", "kebab"]),
        ("https://x.example/#frag a#b /#c )#d ##e &#39;", []),
        ("#Straße #STRASSE", ["strasse", "strasse"]),
        ("#हिन्दी #日本語", ["हिन्दी", "日本語"]),
        ("#" + "й" * 64 + " #" + "y" * 65, ["й" * 64]),
    ],
)
async def test_hashtags(
    tweets: httpx.AsyncClient, database: Database, content: str, tags: list[str]
) -> None:
    assert (await post(tweets, content)).status_code == 201

    found = await last_entities(database)

    assert [entity["tag"] for entity in found if entity["type"] == "hashtag"] == tags


@pytest.mark.parametrize(
    ("content", "urls"),
    [
        ("see https://a.example/x(1).", ["https://a.example/x(1)"]),
        ("(HTTP://A.example)", ["HTTP://A.example"]),
        ("詳細はhttps://пример.рф/путь。", ["https://пример.рф/путь"]),
        (
            "«https://a.example/1», “https://a.example/2”…",
            ["https://a.example/1", "https://a.example/2"],
        ),
        ("https://a.example\u200bhttps://b.example", ["https://a.example", "https://b.example"]),
        ("https://bank.example@a.example javascript://x report.md a@b.example", []),
        ("http:// https://:80 http://[", []),
    ],
)
async def test_links(
    tweets: httpx.AsyncClient, database: Database, content: str, urls: list[str]
) -> None:
    assert (await post(tweets, content)).status_code == 201

    assert [entity["url"] for entity in await last_entities(database)] == urls


async def test_a_mention_is_the_longest_full_name_of_one_active_person(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    short, long = await person(database, "Пётр"), await person(database, "Пётр Великий")
    left = await person(database, "Left Person")
    await deliver(database, UserDeactivated(user_id=left))

    response = await post(tweets, "@петр ВЕЛИКИЙ, (@Пётр)! a@Пётр @Петрушка @Left Person")

    assert response.json().keys() == {"result", "tweet_id"}
    assert await last_entities(database) == [
        {"type": "mention", "start": 0, "length": 13, "text": "@петр ВЕЛИКИЙ", "user_id": long},
        {"type": "mention", "start": 16, "length": 5, "text": "@Пётр", "user_id": short},
    ]


async def test_of_namesakes_nobody_is_mentioned(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    namesakes = [await person(database, "Anna Twice"), await person(database, "Anna Twice")]

    response = await post(tweets, "😀 @Anna Twice")

    assert response.json()["ambiguous"] == [
        {
            "start": 2,
            "length": 11,
            "text": "@Anna Twice",
            "people": [{"id": user_id, "name": "Anna Twice"} for user_id in namesakes],
        }
    ]
    assert await last_entities(database) == []
    given = [{"user_id": namesakes[1], "start": 2, "length": 11}]
    await post(tweets, "😀 @Anna Twice", mentions=given)
    assert [entity["user_id"] for entity in await last_entities(database)] == [namesakes[1]]


async def test_names_follow_the_latest_event_and_end_with_the_person(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    user_id = next(_ids)
    newest = next(_numbers) + 1_000_000
    rename = UserRenamed(user_id=user_id, name="Newer Name")
    await testing.deliver(database, subscriptions, rename.routing_key, rename, newest, "users")
    await deliver(database, UserRegistered(user_id=user_id, name="Older Name"))

    await post(tweets, "@Older Name @Newer Name")
    assert [entity["text"] for entity in await last_entities(database)] == ["@Newer Name"]

    await deliver(database, UserErased(user_id=user_id))
    await deliver(database, UserRegistered(user_id=user_id, name="Newer Name"))
    await post(tweets, "@Newer Name")
    assert await last_entities(database) == []


@pytest.mark.parametrize(
    "mentions",
    [
        [{"user_id": 10**9, "start": 0, "length": 3}],
        [{"start": 1, "length": 2}],
        [{"start": 0, "length": 9}],
        [{"start": 0, "length": 3}, {"start": 2, "length": 2}],
        [{"start": 0, "length": 1}],
        [{"start": -1, "length": 3}],
    ],
)
async def test_a_wrong_mention_is_refused(
    tweets: httpx.AsyncClient, database: Database, mentions: list[dict[str, int]]
) -> None:
    user_id = await person(database, "Somebody")
    given = [{"user_id": user_id, **mention} for mention in mentions]

    response = await post(tweets, "@ab@cd", mentions=given)

    assert response.status_code == 422, response.text


async def test_at_most_10_people_are_mentioned(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    people = [await person(database, f"Crowd {letter}") for letter in "abcdefghijk"]
    content = " ".join(f"@Crowd {letter}" for letter in "abcdefghijk")

    assert (await post(tweets, content)).status_code == 201
    assert len(await last_entities(database)) == 10

    given = [
        {"user_id": user_id, "start": 9 * place, "length": 8}
        for place, user_id in enumerate(people)
    ]
    response = await post(tweets, content, mentions=given)
    assert response.json()["error_type"] == "TooManyMentions"


@given(st.text(st.sampled_from("@# \n/:.htps()йЁé\u0301😀_1a\u200b"), max_size=60))
@settings(max_examples=300)
def test_entities_repeat_their_part_of_the_text(content: str) -> None:
    found = [*entities._links(content), *entities._tags(content)]

    for entity in found:
        assert content[entity.start : entity.start + entity.length] == entity.text
        assert json.loads(entity.model_dump_json())["text"] == entity.text


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
async def test_the_latest_event_decides_whether_a_person_can_be_mentioned(
    tweets: httpx.AsyncClient, database: Database, order: tuple[int, ...]
) -> None:
    name = f"Returning {next(_ids)}"
    user_id = await person(database, name)
    first = next(_numbers) * 1000
    events = {
        1: UserDeactivated(user_id=user_id),
        2: UserReactivated(user_id=user_id),
        3: UserDeactivated(user_id=user_id),
    }

    async def is_mentioned(last: int) -> bool:
        for number in (each for each in order if each <= last):
            event = events[number]
            await testing.deliver(
                database, subscriptions, event.routing_key, event, first + last * 10 + number
            )
        await post(tweets, f"@{name}")
        return await last_entities(database) != []

    assert [await is_mentioned(last) for last in (1, 2, 3)] == [False, True, False]
