"""The search of tweets: which words find which texts, the filters, and the order of results."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis import testing
from chassis.database.pool import Pool
from chassis.database.session import Database, fetch
from chassis.http.errors import Problem
from chassis.messaging.events import Event
from services.feed import search, search_index
from services.feed.events import (
    Entity,
    ThreadPlace,
    TweetDeleted,
    TweetHidden,
    TweetLiked,
    TweetPosted,
    TweetRestored,
    UserDeactivated,
    UserErased,
    UserRegistered,
)
from services.feed.handlers import subscriptions
from services.feed.search_query import parse
from tests import plans

_numbers = count(1)
_ids = count(1)

READER = 900_001

# A query, a text, and whether the query finds it.
WORDS = [
    # English: forms of words, upper and lower case, common words.
    ("release", "The release is out", True),
    ("releases", "The release is out", True),
    ("releasing", "The release is out", True),
    ("RELEASE", "the release is out", True),
    ("lease", "The release is out", False),
    ("rel", "The release is out", False),
    ("office party", "A party in the new office", True),
    ("office party", "A party at home", False),
    ("the office", "Our office is open", True),
    ("running", "She runs every day", True),
    ("company's", "The company has grown", True),
    ("companies", "One company is enough", True),
    ("don't", "We don't know", True),
    ("naïve", "A naïve approach", True),
    ("café", "Meet at the café", True),
    # Russian: cases, numbers, tenses, ё.
    ("договор", "Подписали договоры с заводом", True),
    ("договора", "Подписали договор", True),
    ("договором", "О договоре поговорим завтра", True),
    ("отпуск", "Ушла в отпуске", True),
    ("отпуска", "С понедельника отпуск", True),
    ("встреча", "После встречи идём обедать", True),
    ("встречи", "Сегодня встреча", True),
    ("работает", "Сервер снова работал", True),
    ("новый офис", "В новом офисе светло", True),
    ("новый офис", "В новом здании светло", False),
    ("ОФИС", "офис открыт", True),
    ("елка", "Нарядили ёлку", True),
    ("ёлка", "Елка в холле", True),
    ("всё про отпуск", "Все про отпуска", True),
    ("всё про отпуск", "Памятка: отпуск", True),
    ("Ёлка", "ЕЛКИ", True),
    ("мой", "Мои заметки", True),
    ("йод", "Иод нашли", False),
    ("кот", "Котёл остыл", False),
    ("и", "хлеб и соль", True),
    ("и", "хлеб да соль", False),
    ("to be or not to be", "To be, or not to be: that is the question", True),
    # Hyphens, codes, versions, addresses, numbers.
    ("онлайн-встреча", "Онлайн-встреча в десять", True),
    ("встреча", "Онлайн-встреча в десять", True),
    ("e-mail", "Send me an e-mail", True),
    ("PROJ-123", "Fixed PROJ-123 today", True),
    ("proj-123", "Fixed PROJ-123 today", True),
    ("PROJ-12", "Fixed PROJ-123 today", False),
    ("v2.3.1", "Version v2.3.1 is out", True),
    ("v2.3", "Version v2.3.1 is out", False),
    ("example.com", "See https://example.com/docs", True),
    ("https://example.com/docs", "See https://example.com/docs", True),
    ("ann@example.com", "Write to ann@example.com", True),
    ("2026", "Plans for 2026", True),
    ("3.14", "Pi is 3.14", True),
    ("10:30", "Standup at 10:30", True),
    ("C++", "We love C++", True),
    ("1С", "Обновили 1С", True),
    ("QA", "The QA team", True),
    # Mixed languages and scripts.
    ("deploy", "Сделали deploy в прод", True),
    ("прод deploy", "Сделали deploy в прод", True),
    ("git", "Залил в GitHub", False),
    ("github", "Залил в GitHub", True),
    ("пнг", "Файл в png", False),
    # Emoji and other symbols.
    ("🎉", "Релиз 🎉", True),
    ("🎉", "Релиз", False),
    ("релиз 🎉", "Релиз 🎉🎉", True),
    ("👍🏽", "Хорошо 👍🏽", True),
    ("☕", "Кто на ☕?", True),
    # Phrases, exclusions, alternatives.
    ('"new office"', "The new office is open", True),
    ('"new office"', "The office is new", False),
    ("«новый офис»", "Новый офис", True),
    ("«новый офис»", "Офис новый", False),
    ('"новый офис', "Новый офис", True),
    ("office -party", "The office is open", True),
    ("office -party", "An office party", False),
    ('офис -"новый офис"', "Новый офис", False),
    ("чай or кофе", "Кто будет кофе?", True),
    ("чай или кофе", "Кто будет чай?", True),
    ("чай или кофе", "Кто будет сок?", False),
    ("or", "tea or coffee", True),
    # Text that looks like syntax.
    ("a & b | !c", "a b c", True),
    ("release:*", "The release", True),
    ("'", "it's", False),
    ("note:hello", "note:hello world", True),
    ("\\", "a\\b", False),
]


async def deliver(database: Database, *events: Event) -> None:
    for event in events:
        await testing.deliver(database, subscriptions, event.routing_key, event, next(_numbers))


async def post(database: Database, content: str, author_id: int = READER, **more: Any) -> int:
    tweet_id = more.pop("tweet_id", None) or next(_ids)
    await deliver(
        database,
        TweetPosted(
            **{
                "tweet_id": tweet_id,
                "author_id": author_id,
                "content": content,
                "attachments": [],
                "created_at": datetime.now(UTC),
                **more,
            }
        ),
    )
    return tweet_id


async def found(feed: httpx.AsyncClient, query: str, **parameters: Any) -> list[int]:
    response = await ask(feed, query, **parameters)
    assert response.status_code == 200, response.text
    return [tweet["id"] for tweet in response.json()["tweets"]]


async def ask(feed: httpx.AsyncClient, query: str, **parameters: Any) -> httpx.Response:
    headers = testing.identity_headers("feed", parameters.pop("reader", READER))
    return await feed.get(
        "/api/search", params={"q": query, "limit": 100, **parameters}, headers=headers
    )


@pytest.fixture
async def texts(feed: httpx.AsyncClient, database: Database) -> dict[str, int]:
    return {text: await post(database, text) for text in dict.fromkeys(row[1] for row in WORDS)}


async def test_words_find_texts(feed: httpx.AsyncClient, texts: dict[str, int]) -> None:
    wrong = []
    for query, text, expected in WORDS:
        response = await ask(feed, query)
        ids = [tweet["id"] for tweet in response.json().get("tweets", [])]
        if (texts[text] in ids) != expected:
            wrong.append((query, text, "not found" if expected else "found"))
    assert not wrong
    assert len(WORDS) >= 60


async def test_filters_choose_tweets(feed: httpx.AsyncClient, database: Database) -> None:
    ann, boris = next(_ids), next(_ids)
    await deliver(
        database,
        UserRegistered(user_id=ann, name=f"Анна Фильтрова {ann}"),
        UserRegistered(user_id=boris, name=f"Boris Filter {boris}"),
    )
    picture = await post(database, "фильтр с фото", ann, attachments=["/uploads/a.jpg"])
    address = "https://example.com"
    link = await post(
        database,
        f"фильтр {address}",
        boris,
        entities=[Entity(type="link", start=7, length=19, text=address, url=address)],
    )
    mention = await post(
        database,
        "фильтр @Boris #Фильтрация",
        ann,
        entities=[
            Entity(type="mention", start=7, length=6, text="@Boris", user_id=boris),
            Entity(type="hashtag", start=14, length=11, text="#Фильтрация", tag="фильтрация"),
        ],
    )
    place = ThreadPlace(parent_id=mention, root_id=mention, depth=1, ancestors=[], self_replies=0)
    reply = await post(database, "фильтр: ответ", boris, thread=place)
    everything = [reply, mention, link, picture]

    expected: dict[str, Sequence[int]] = {
        "фильтр": everything,
        f"фильтр from:{ann}": [mention, picture],
        f'from:"анна фильтрова {ann}"': [mention, picture],
        f"от:@Boris_Filter_{boris} фильтр": [reply, link],
        f"фильтр -from:{ann}": [reply, link],
        f"фильтр to:{boris}": [mention],
        "фильтр has:image": [picture],
        "фильтр есть:фото": [picture],
        "фильтр -has:image": [reply, mention, link],
        "фильтр has:link": [link],
        "фильтр is:reply": [reply],
        "фильтр -это:ответ": [mention, link, picture],
        "#ФИЛЬТРАЦИЯ": [mention],
        "фильтр -#фильтрация": [reply, link, picture],
    }
    for query, ids in expected.items():
        assert (query, await found(feed, query)) == (query, ids)
    assert await found(feed, "фильтр from:me", reader=ann) == [mention, picture]
    assert await found(feed, "фильтр кому:мне", reader=boris) == [mention]


async def test_days_are_those_of_the_reader(feed: httpx.AsyncClient, database: Database) -> None:
    # 21:30 in UTC is the next day in Moscow. The year is a later one than that of other tests,
    # because ids grow with time.
    author, first = next(_ids), datetime(2099, 3, 1, 21, 30, tzinfo=UTC)
    evening, noon, late = [
        await post(database, "дневник", author, created_at=first + timedelta(hours=hours))
        for hours in (0, 15, 24)
    ]

    async def in_moscow(query: str) -> list[int]:
        return await found(feed, f"{query} from:{author}", time_zone="Europe/Moscow")

    assert await in_moscow("during:2099-03-02") == [noon, evening]
    assert await in_moscow("за:02.03.2099") == [noon, evening]
    assert await in_moscow("-during:2099-03-02") == [late]
    assert await in_moscow("after:2099-03-02") == [late]
    assert await in_moscow("before:2099-03-03 дневник") == [noon, evening]
    assert await in_moscow("during:2099-03") == [late, noon, evening]
    assert await found(feed, f"during:2099-03-01 from:{author}") == [evening]
    assert await found(feed, f"before:2099-03-01 from:{author}") == []
    assert (await ask(feed, "x", time_zone="Europe/Atlantis")).json()["error_type"] == (
        "TimeZoneUnknown"
    )


async def test_namesakes_are_offered(feed: httpx.AsyncClient, database: Database) -> None:
    ann, other = next(_ids), next(_ids)
    for user_id in (ann, other):
        await deliver(database, UserRegistered(user_id=user_id, name="Зоя Тёзкина"))
    tweets = [await post(database, "тёзка", user_id) for user_id in (ann, other)]

    response = (await ask(feed, "тезка from:@зоя_тёзкина")).json()

    people = [{"id": ann, "name": "Зоя Тёзкина"}, {"id": other, "name": "Зоя Тёзкина"}]
    assert response["choices"] == [{"operator": "from", "value": "зоя тёзкина", "people": people}]
    assert [tweet["id"] for tweet in response["tweets"]] == tweets[::-1]
    assert await found(feed, f"тезка from:{ann}") == tweets[:1]
    nobody = (await ask(feed, "from:@Nobody_At_All")).json()
    assert nobody["error_type"] == "SearchPersonUnknown"


@pytest.mark.parametrize(
    ("query", "error_type"),
    [
        ("has:video", "SearchContentExpected"),
        ("is:", "SearchKindExpected"),
        ("from:@", "SearchPersonExpected"),
        ("before:soon", "SearchDateExpected"),
        ("during:2026-13", "SearchDateExpected"),
        ("after:0000-01-01", "SearchDateExpected"),
        ("!!! ...", "SearchEmpty"),
        ("a " * 31, "SearchTooLong"),
        ("\0", "InvalidRequest"),
        ("x" * 501, "InvalidRequest"),
        ("", "InvalidRequest"),
    ],
)
async def test_what_is_not_understood_is_named(
    feed: httpx.AsyncClient, query: str, error_type: str
) -> None:
    response = await ask(feed, query)

    assert (response.status_code, response.json()["error_type"]) == (422, error_type)


_SYNTAX = """
from: to: has: has:image is: before: за: - " or или # #a : * ' \\ & | ! ( ) <-> % 2026-02-30 9999
9999-12-31 я 🎉
"""
_PIECES = st.sampled_from(_SYNTAX.split()) | st.text(max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_PIECES, max_size=12), st.booleans())
async def test_every_query_has_an_answer(
    feed: httpx.AsyncClient, pieces: list[str], spaced: bool
) -> None:
    query = (" " if spaced else "").join(pieces).encode(errors="replace").decode()[:500]

    for prefix in (False, True):
        response = await ask(feed, query, prefix=prefix)

        assert response.status_code in (200, 422), (query, response.text)


async def test_an_unfinished_word_finds_its_beginnings(
    feed: httpx.AsyncClient, database: Database
) -> None:
    tweet_id = await post(database, "Неперебиваемость обсуждали")

    assert await found(feed, "непереб", prefix=True) == [tweet_id]
    assert await found(feed, "обсуждали непереб", prefix=True) == [tweet_id]
    assert await found(feed, "обсуждаем не", prefix=True, limit=1) == [tweet_id]
    assert await found(feed, "непереб") == []
    assert await found(feed, "непереб ", prefix=True) == []


async def test_highlights_are_the_parts_that_match(
    feed: httpx.AsyncClient, database: Database
) -> None:
    content = "Ёлки 🎉 <b>ёлка</b> & ещё: ПОДСВЕТКА\nподсветки"
    await post(database, content)

    (tweet,) = (await ask(feed, "елка подсветка 🎉")).json()["tweets"]

    parts = [
        content[part["start"] : part["start"] + part["length"]] for part in tweet["highlights"]
    ]
    assert parts == ["Ёлки", "🎉", "ёлка", "ПОДСВЕТКА", "подсветки"]
    assert tweet["content"] == content


async def test_common_words_alone_are_found_and_pointed_out(
    feed: httpx.AsyncClient, database: Database
) -> None:
    tweet_id = await post(database, "Не то чтобы")

    alone = (await ask(feed, "не то")).json()
    with_others = (await ask(feed, "не то чтобы заблудились")).json()

    assert alone["only_common_words"]
    assert tweet_id in [tweet["id"] for tweet in alone["tweets"]]
    assert not with_others["only_common_words"]


async def test_deleted_hidden_and_erased_tweets_are_not_found(
    feed: httpx.AsyncClient, database: Database
) -> None:
    leaver, erased = next(_ids), next(_ids)
    for user_id in (leaver, erased):
        await deliver(database, UserRegistered(user_id=user_id, name="Somebody"))
    deleted = await post(database, "исчезновение")
    await post(database, "исчезновение", leaver)
    await post(database, "исчезновение", erased)
    stays = await post(database, "исчезновение")
    late = next(_ids)
    await deliver(
        database,
        TweetDeleted(tweet_id=deleted),
        TweetDeleted(tweet_id=late),
        UserDeactivated(user_id=leaver),
        UserErased(user_id=erased),
    )
    await post(database, "исчезновение", tweet_id=late)

    assert await found(feed, "исчезновения") == [stays]


async def test_a_tweet_that_a_moderator_hides_is_found_again_when_it_is_restored(
    feed: httpx.AsyncClient, database: Database
) -> None:
    tweet_id = next(_ids)
    # Hidden before its own event arrives.
    await deliver(database, TweetHidden(tweet_id=tweet_id))
    await post(database, "утаивание", tweet_id=tweet_id)
    hidden = await found(feed, "утаивание")

    await deliver(database, TweetRestored(tweet_id=tweet_id))

    assert (hidden, await found(feed, "утаивание")) == ([], [tweet_id])


async def test_pages_divide_the_results(feed: httpx.AsyncClient, database: Database) -> None:
    tweets = [await post(database, "разбивка") for _ in range(7)]
    for number, tweet_id in enumerate(tweets):
        likes = [TweetLiked(tweet_id=tweet_id, user_id=user) for user in range(1, 1 + number % 3)]
        await deliver(database, *likes)

    for order, expected in {
        "recent": tweets[::-1],
        "popular": sorted(tweets, key=lambda tweet: (tweets.index(tweet) % 3, tweet))[::-1],
    }.items():
        pages: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await ask(feed, "разбивка", order=order, limit=3, **cursor)).json()
            pages += [tweet["id"] for tweet in page["tweets"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert pages == expected


async def test_matches_beyond_the_newest_tweets_are_found_once(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 3)
    monkeypatch.setattr(search, "_NEWEST", search._NEWEST.replace("limit 10000", "limit 3"))
    author = next(_ids)
    tweets = [await post(database, "давность" if n % 2 else "прочее", author) for n in range(12)]

    assert await found(feed, "давности") == tweets[1::2][::-1]
    assert await found(feed, f"давности -from:{author}") == []
    assert await found(feed, f"from:{author} -прочее") == tweets[1::2][::-1]


async def test_the_worker_indexes_tweets_that_are_older_than_the_search(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "BATCH", 2)
    old = [await post(database, "доиндексация") for _ in range(5)]
    async with database.transaction() as session:
        await fetch(session, "delete from tweet_words where tweet_id = any($1::bigint[])", old)
        await fetch(session, "update words_to_index set below = $1", old[3])

    while await search_index._fill_batch(database):
        pass
    assert await found(feed, "доиндексации") == old[2::-1]

    await search_index._check_newest(database)
    assert await found(feed, "доиндексации") == old[::-1]


async def test_a_rare_word_is_looked_up_in_the_index(database: Database, connections: Pool) -> None:
    """PostgreSQL must not read the tweets one by one, from the newest on, until it finds some."""
    async with database.transaction() as session:
        await fetch(
            session,
            "insert into tweet_words select 1000000 + n, 'common' from generate_series(1, 9000) n",
        )
        await fetch(session, "insert into tweet_words values (2000000, 'rare')")
        await fetch(session, "analyze tweet_words")

    (row,) = await connections.fetch(
        "explain (format json) " + search._OLDER, "'rare'", 0, 2**53 - 1, [], [], 20
    )

    assert '"Index Name": "tweet_words_words"' in row[0]
    assert "tweet_words_pkey" not in row[0]


async def test_only_the_matches_of_the_page_are_looked_up(
    database: Database, connections: Pool
) -> None:
    async with database.transaction() as session:
        for statement in (
            "insert into tweet (id, author_id, card)"
            " select 3000000 + n, 1, '' from generate_series(1, 9000) n",
            "insert into tweet_words select 3000000 + n, 'many' from generate_series(1, 9000) n",
            "analyze tweet, tweet_words",
        ):
            await fetch(session, statement)

    for statement in (search._NEWEST, search._OLDER):
        (row,) = await connections.fetch(
            plans.EXPLAIN + statement, "'many'", 0, 2**53 - 1, [], [], 20
        )
        assert plans.rows_read(row[0], "tweet") == 20
        if statement is search._NEWEST:
            assert plans.rows_read(row[0], "tweet_words") == 20


def test_a_query_is_parsed_into_words_and_filters() -> None:
    query = parse('офис "новый дом" -шум чай или кофе or', date(2026, 11, 29))

    assert query.words == 'офис "новый дом" -шум чай or кофе "or"'
    with pytest.raises(Problem):
        parse("before:", date(2026, 11, 29))
