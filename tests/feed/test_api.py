"""The feed's API: order, paging, the limit on listed likes, and reading your own writes."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest
from sqlalchemy import text
from starlette.types import Message

from chassis import testing
from chassis.database.pool import Pool
from chassis.database.session import Database, execute
from chassis.messaging.events import Event
from services.feed import api_process, queries
from services.feed.events import (
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserDeactivated,
    UserFollowed,
    UserRegistered,
)
from services.feed.handlers import subscriptions

_numbers = count(1)
_tweet_ids = count(1)
_user_ids = count(1)


async def deliver(database: Database, *delivered: Event) -> int:
    number = 0
    for event in delivered:
        number = next(_numbers)
        await testing.deliver(database, subscriptions, event.routing_key, event, number)
    return number


async def person(database: Database) -> int:
    user_id = next(_user_ids)
    await deliver(database, UserRegistered(user_id=user_id, name=f"Person {user_id}"))
    return user_id


async def tweet(database: Database, author_id: int) -> int:
    tweet_id = next(_tweet_ids)
    await deliver(
        database,
        TweetPosted(
            tweet_id=tweet_id,
            author_id=author_id,
            content="…",
            attachments=[],
            created_at=datetime.now(UTC),
        ),
    )
    return tweet_id


def ids(response: httpx.Response) -> list[int]:
    return [tweet["id"] for tweet in response.json()["tweets"]]


@pytest.mark.parametrize(
    "query", ["", "order=recent", "scope=everyone", "scope=everyone&order=recent"]
)
async def test_pages_by_cursor_and_by_number_divide_the_whole_feed(
    feed: httpx.AsyncClient, database: Database, query: str
) -> None:
    ann, boris = await person(database), await person(database)
    await deliver(database, UserFollowed(follower_id=ann, followed_id=boris))
    for author in (ann, boris, ann, boris, boris, ann, boris):
        tweet_id = await tweet(database, author)
        if tweet_id % 3:
            await deliver(database, TweetLiked(tweet_id=tweet_id, user_id=boris))
    headers = testing.identity_headers("feed", ann)
    whole = ids(await feed.get(f"/api/tweets?{query}", headers=headers))

    by_cursor: list[int] = []
    cursor = ""
    while cursor is not None:
        page = await feed.get(f"/api/tweets?limit=3&{query}{cursor}", headers=headers)
        by_cursor += ids(page)
        cursor = page.json()["next_cursor"] and f"&cursor={page.json()['next_cursor']}"
    by_number = [
        await feed.get(f"/api/tweets?limit=3&offset={number}&{query}", headers=headers)
        for number in range(1, len(whole) // 3 + 3)
    ]

    assert len(whole) >= 7
    assert by_cursor == whole
    assert [tweet_id for page in by_number for tweet_id in ids(page)] == whole


async def test_a_tweet_lists_a_hundred_likes_the_readers_own_among_them(
    feed: httpx.AsyncClient, database: Database
) -> None:
    author = await person(database)
    tweet_id = await tweet(database, author)
    likers = [await person(database) for _ in range(102)]
    await deliver(database, *(TweetLiked(tweet_id=tweet_id, user_id=liker) for liker in likers))

    for reader in (likers[0], likers[-1], author):
        response = await feed.get(
            f"/api/users/{author}/tweets", headers=testing.identity_headers("feed", reader)
        )

        (seen,) = response.json()["tweets"]
        listed = [like["user_id"] for like in seen["likes"]]
        assert seen["like_count"] == 102
        assert len(listed) == len(set(listed)) == 100
        assert seen["liked"] == (reader in likers)
        assert (reader in listed) == (reader in likers)


async def test_tweets_are_read_by_their_ids_in_the_given_order(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann, boris, leaver = [await person(database) for _ in range(3)]
    first, deleted, second, hidden, third = [
        await tweet(database, author) for author in (boris, boris, ann, leaver, boris)
    ]
    await deliver(
        database,
        TweetDeleted(tweet_id=deleted),
        UserDeactivated(user_id=leaver),
        TweetLiked(tweet_id=third, user_id=ann),
    )
    unknown = 2**53 - 1

    async def by_ids(*requested: int) -> httpx.Response:
        return await feed.get(
            f"/api/tweets?ids={','.join(map(str, requested))}",
            headers=testing.identity_headers("feed", ann),
        )

    found = await by_ids(third, deleted, first, hidden, unknown, second, first)
    nothing = await by_ids(deleted)

    assert ids(found) == [third, first, second]
    assert [each["liked"] for each in found.json()["tweets"]] == [True, False, False]
    assert found.json()["next_cursor"] is None
    assert nothing.json() == {"result": True, "tweets": [], "next_cursor": None}
    assert ids(await by_ids(*[first] * 100)) == [first]


@pytest.mark.parametrize(
    "bad",
    ["", ",", "1,", "0", "-1", "1.5", "x", "1 ,2", "٣", "%2B1", str(2**53), "9" * 40, "1," * 101],
)
async def test_invalid_ids_of_tweets_are_refused(feed: httpx.AsyncClient, bad: str) -> None:
    response = await feed.get(f"/api/tweets?ids={bad}", headers=testing.identity_headers("feed", 1))

    assert response.status_code == 422
    assert response.json()["error_type"] == "InvalidRequest"
    assert response.json()["error_message"].startswith("ids: ")


async def test_at_most_a_hundred_tweets_are_read_by_their_ids(feed: httpx.AsyncClient) -> None:
    response = await feed.get(
        f"/api/tweets?ids={','.join(['1'] * 101)}", headers=testing.identity_headers("feed", 1)
    )

    assert response.status_code == 422
    assert response.json()["error_message"] == "ids: At most 100 ids are possible."


async def test_a_read_waits_for_the_events_that_it_names(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    last = next(_numbers)
    named = {**testing.identity_headers("feed", ann), "warble-after": f"test:{last + 1}"}

    reading = asyncio.create_task(feed.get("/api/tweets?limit=5", headers=named))
    tweet_id = await tweet(database, ann)

    response = await reading
    assert ids(response) == [tweet_id]
    assert "warble-stale" not in response.headers


async def test_a_read_that_waits_too_long_responds_with_what_it_has_and_says_so(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    tweet_id = await tweet(database, ann)
    named = {**testing.identity_headers("feed", ann), "warble-after": "tweets:999999"}

    response = await feed.get("/api/tweets", headers=named)

    assert ids(response) == [tweet_id]
    assert response.headers["warble-stale"] == "true"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "offset=0",
        "offset=-1",
        "offset=99999999999999999999",
        "cursor=%00",
        "cursor=AAAA",
        "cursor=__________8AAAAAAAAAAQ",
        "order=newest",
        "scope=all",
        "offset=1&cursor=AAAAAAAAAAEAAAAAAAAABw",
    ],
)
async def test_an_invalid_query_is_refused(feed: httpx.AsyncClient, query: str) -> None:
    response = await feed.get(f"/api/tweets?{query}", headers=testing.identity_headers("feed", 1))

    assert response.status_code == 422
    assert response.json()["result"] is False


async def test_a_page_number_beyond_the_whole_feed_is_empty(feed: httpx.AsyncClient) -> None:
    response = await feed.get(
        "/api/tweets?offset=9007199254740991&limit=100", headers=testing.identity_headers("feed", 1)
    )

    assert response.json() == {"result": True, "tweets": [], "next_cursor": None}


async def test_likers_are_paged_in_the_order_of_their_likes(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    tweet_id = await tweet(database, ann)
    fans = [await person(database) for _ in range(5)]
    await deliver(database, *(TweetLiked(tweet_id=tweet_id, user_id=fan) for fan in fans))
    headers = testing.identity_headers("feed", ann)

    path = f"/api/tweets/{tweet_id}/likes"
    first = (await feed.get(f"{path}?limit=3", headers=headers)).json()
    rest = (await feed.get(f"{path}?limit=3&cursor={first['next_cursor']}", headers=headers)).json()
    none = await feed.get("/api/tweets/900000/likes", headers=headers)

    listed = first["users"] + rest["users"]
    assert listed == [{"id": fan, "name": f"Person {fan}"} for fan in fans]
    assert rest["next_cursor"] is None
    assert (none.status_code, none.json()["error_type"]) == (404, "TweetNotFound")


async def test_a_tweet_describes_its_pictures_also_if_its_event_did_not(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    known = {"url": "/uploads/a", "thumbnail": "/uploads/b", "width": 9, "height": 4, "alt": "“A”"}
    coloured = {**known, "colour": "#8a7f6d"}
    for media in ([coloured], [known], None, []):
        event = TweetPosted(
            tweet_id=next(_tweet_ids),
            author_id=ann,
            content="…",
            attachments=[] if media == [] else ["/uploads/a"],
            media=media,
            created_at=datetime.now(UTC),
        )
        await deliver(database, event)

    response = await feed.get(
        "/api/tweets?order=recent&limit=4", headers=testing.identity_headers("feed", ann)
    )

    unknown = {**known, "thumbnail": "/uploads/a", "width": None, "height": None, "alt": ""}
    shown = [tweet["media"] for tweet in response.json()["tweets"]]
    assert shown == [[], [unknown], [known], [coloured]]


async def test_a_page_that_takes_too_long_to_read_is_answered_with_504(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page cache stores nothing: every read uses the database.
    monkeypatch.setenv("FEED_CACHE_BYTES", "0")
    ann = await person(database)
    path = f"/api/users/{ann}/tweets?limit=4"
    app = api_process.create_app()
    async with testing.client_for(app) as impatient:
        headers = testing.identity_headers("feed", ann)
        known = await impatient.get(path, headers=headers)
        monkeypatch.setattr("chassis.database.session.STATEMENT_TIMEOUT_SECONDS", 0.3)
        # New connections are opened with the new timeout.
        app.state.connections.close()
        async with database.transaction() as session:
            await execute(session, text("lock table tweet in access exclusive mode"))
            # The middleware answers requests for known URLs, the application all others.
            by_middleware = await impatient.get(path, headers=headers)
            by_application = await impatient.get(f"{path}&x=1", headers=headers)

    assert known.status_code == 200
    for response in (by_middleware, by_application):
        assert (response.status_code, response.json()["error_type"]) == (504, "ServiceTimeout")


class SlowClient:
    """Requests the whole feed, and reads the response only when `read` is called."""

    def __init__(self, feed: httpx.AsyncClient, reader: int, query: str = "") -> None:
        transport = feed._transport
        assert isinstance(transport, httpx.ASGITransport)
        headers = testing.identity_headers("feed", reader)
        self._scope = {
            **{"type": "http", "method": "GET", "path": "/api/tweets", "raw_path": b"/api/tweets"},
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self._app = transport.app
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._reads = asyncio.Semaphore(0)
        self._responding: asyncio.Future[None] | None = None
        self._blocked = asyncio.Event()

    async def start(self) -> None:
        """Returns when the response begins, before anything of it is read."""
        self._responding = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        await self._blocked.wait()

    async def read(self) -> bytes:
        """The next part of the body; empty at the end."""
        while True:
            self._reads.release()
            message = await self._messages.get()
            if body := message.get("body", b""):
                return bytes(body)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                assert self._responding is not None
                await self._responding
                return b""

    async def read_all(self) -> bytes:
        body = b""
        while part := await self.read():
            body += part
        return body

    async def _send(self, message: Message) -> None:
        self._blocked.set()
        await self._reads.acquire()
        self._messages.put_nowait(message)

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError


async def test_clients_that_stop_reading_a_whole_feed_hold_no_connection(
    feed: httpx.AsyncClient, database: Database, connections: Pool
) -> None:
    author = await person(database)
    tweets = [await tweet(database, author) for _ in range(5)]
    readers = [await person(database) for _ in range(connections.max_size)]
    await deliver(database, *(UserFollowed(follower_id=r, followed_id=author) for r in readers))
    slow = [SlowClient(feed, reader) for reader in readers]

    for client in slow:
        await client.start()
    # These reads would fail if no connection were free.
    used = connections.used
    page = await feed.get("/api/tweets?limit=5", headers=testing.identity_headers("feed", author))
    whole = await feed.get("/api/tweets", headers=testing.identity_headers("feed", author))

    assert used == 0
    assert ids(page) == ids(whole) == tweets[::-1]
    for client in slow:
        body = json.loads(await client.read_all())
        assert [tweet["id"] for tweet in body["tweets"]] == tweets[::-1]


async def test_a_whole_feed_is_one_list_whatever_changes_while_it_is_read(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "CHUNK", 2)
    ann, fan = await person(database), await person(database)
    tweets = [await tweet(database, ann) for _ in range(6)]
    await deliver(database, *(TweetLiked(tweet_id=tweets[n], user_id=fan) for n in (4, 5)))
    client = SlowClient(feed, ann)
    await client.start()
    body = await client.read()

    # In a new read the last tweet would come first, and those already sent would come again. One
    # tweet is deleted.
    fans = [await person(database) for _ in range(3)]
    await deliver(database, *(TweetLiked(tweet_id=tweets[0], user_id=user_id) for user_id in fans))
    await deliver(database, *(TweetUnliked(tweet_id=tweets[n], user_id=fan) for n in (4, 5)))
    await deliver(database, TweetDeleted(tweet_id=tweets[1]))
    await tweet(database, ann)
    feed_after = json.loads(body + await client.read_all())

    in_order = [tweets[n] for n in (5, 4, 3, 2, 0)]
    assert [tweet["id"] for tweet in feed_after["tweets"]] == in_order
    assert [tweet["like_count"] for tweet in feed_after["tweets"]] == [1, 1, 0, 0, 3]
    assert feed_after["next_cursor"] is None


async def test_the_cursor_of_a_whole_feed_continues_where_it_ended(
    database: Database, as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEED_MAX_TWEETS", "3")
    monkeypatch.setattr(queries, "CHUNK", 2)
    ann = await person(database)
    tweets = [await tweet(database, ann) for _ in range(5)]
    headers = testing.identity_headers("feed", ann)

    async with testing.client_for(api_process.create_app()) as feed:
        whole = await feed.get("/api/tweets", headers=headers)
        cursor = whole.json()["next_cursor"]
        rest = await feed.get(f"/api/tweets?cursor={cursor}", headers=headers)

    assert ids(whole) + ids(rest) == tweets[::-1]
    assert rest.json()["next_cursor"] is None
