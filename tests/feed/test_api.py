"""What a reader gets: the order, the pages, the cap on likes, and waiting for one's own writes."""

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
from chassis.connections import Connections
from chassis.database import Database, execute
from chassis.events import Event
from services.feed import main, queries
from services.feed.events import (
    TweetDeleted,
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserFollowed,
    UserRegistered,
)
from services.feed.handlers import subscriptions

_numbers = count(1)
_tweet_ids = count(1)
_user_ids = count(1)


async def tell(database: Database, *told: Event) -> int:
    number = 0
    for event in told:
        number = next(_numbers)
        await testing.deliver(database, subscriptions, event.routing_key, event, number)
    return number


async def person(database: Database) -> int:
    user_id = next(_user_ids)
    await tell(database, UserRegistered(user_id=user_id, name=f"Person {user_id}"))
    return user_id


async def tweet(database: Database, author_id: int) -> int:
    tweet_id = next(_tweet_ids)
    await tell(
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


def ids(answer: httpx.Response) -> list[int]:
    return [tweet["id"] for tweet in answer.json()["tweets"]]


@pytest.mark.parametrize(
    "query", ["", "order=recent", "scope=everyone", "scope=everyone&order=recent"]
)
async def test_pages_by_cursor_and_by_number_cut_the_same_list_as_the_whole_feed(
    feed: httpx.AsyncClient, database: Database, query: str
) -> None:
    ann, boris = await person(database), await person(database)
    await tell(database, UserFollowed(follower_id=ann, followed_id=boris))
    for author in (ann, boris, ann, boris, boris, ann, boris):
        tweet_id = await tweet(database, author)
        if tweet_id % 3:
            await tell(database, TweetLiked(tweet_id=tweet_id, user_id=boris))
    headers = testing.signed("feed", ann)
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
    await tell(database, *(TweetLiked(tweet_id=tweet_id, user_id=liker) for liker in likers))

    for reader in (likers[0], likers[-1], author):
        answer = await feed.get(
            f"/api/users/{author}/tweets", headers=testing.signed("feed", reader)
        )

        (seen,) = answer.json()["tweets"]
        listed = [like["user_id"] for like in seen["likes"]]
        assert seen["like_count"] == 102
        assert len(listed) == len(set(listed)) == 100
        assert seen["liked"] == (reader in likers)
        assert (reader in listed) == (reader in likers)


async def test_a_read_waits_for_the_events_that_it_names(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    last = next(_numbers)
    named = {**testing.signed("feed", ann), "warble-after": f"test:{last + 1}"}

    reading = asyncio.create_task(feed.get("/api/tweets?limit=5", headers=named))
    tweet_id = await tweet(database, ann)

    answer = await reading
    assert ids(answer) == [tweet_id]
    assert "warble-stale" not in answer.headers


async def test_a_read_that_cannot_wait_longer_answers_what_there_is_and_says_so(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    tweet_id = await tweet(database, ann)
    named = {**testing.signed("feed", ann), "warble-after": "tweets:999999"}

    answer = await feed.get("/api/tweets", headers=named)

    assert ids(answer) == [tweet_id]
    assert answer.headers["warble-stale"] == "true"


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
async def test_rubbish_in_the_query_is_refused(feed: httpx.AsyncClient, query: str) -> None:
    answer = await feed.get(f"/api/tweets?{query}", headers=testing.signed("feed", 1))

    assert answer.status_code == 422
    assert answer.json()["result"] is False


async def test_a_page_number_beyond_the_whole_feed_is_empty(feed: httpx.AsyncClient) -> None:
    answer = await feed.get(
        "/api/tweets?offset=9007199254740991&limit=100", headers=testing.signed("feed", 1)
    )

    assert answer.json() == {"result": True, "tweets": [], "next_cursor": None}


async def test_likers_are_paged_in_the_order_of_their_likes(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    tweet_id = await tweet(database, ann)
    fans = [await person(database) for _ in range(5)]
    await tell(database, *(TweetLiked(tweet_id=tweet_id, user_id=fan) for fan in fans))
    headers = testing.signed("feed", ann)

    path = f"/api/tweets/{tweet_id}/likes"
    first = (await feed.get(f"{path}?limit=3", headers=headers)).json()
    rest = (await feed.get(f"{path}?limit=3&cursor={first['next_cursor']}", headers=headers)).json()
    none = await feed.get("/api/tweets/900000/likes", headers=headers)

    listed = first["users"] + rest["users"]
    assert listed == [{"id": fan, "name": f"Person {fan}"} for fan in fans]
    assert rest["next_cursor"] is None
    assert (none.status_code, none.json()["error_type"]) == (404, "TweetNotFound")


async def test_a_tweet_tells_of_its_pictures_whatever_its_event_did(
    feed: httpx.AsyncClient, database: Database
) -> None:
    ann = await person(database)
    known = {"url": "/uploads/a", "thumbnail": "/uploads/b", "width": 9, "height": 4, "alt": "“A”"}
    for media in ([known], None, []):
        event = TweetPosted(
            tweet_id=next(_tweet_ids),
            author_id=ann,
            content="…",
            attachments=[] if media == [] else ["/uploads/a"],
            media=media,
            created_at=datetime.now(UTC),
        )
        await tell(database, event)

    answer = await feed.get("/api/tweets?order=recent&limit=3", headers=testing.signed("feed", ann))

    unknown = {**known, "thumbnail": "/uploads/a", "width": None, "height": None, "alt": ""}
    assert [tweet["media"] for tweet in answer.json()["tweets"]] == [[], [unknown], [known]]


async def test_a_page_that_takes_too_long_to_read_is_answered_with_504(
    feed: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The page cache keeps nothing: every read is one of the database's.
    monkeypatch.setenv("FEED_PAGE_BYTES", "0")
    ann = await person(database)
    path = f"/api/users/{ann}/tweets?limit=4"
    app = main.create_app()
    async with testing.serving(app) as impatient:
        headers = testing.signed("feed", ann)
        known = await impatient.get(path, headers=headers)
        monkeypatch.setattr("chassis.database.STATEMENT_SECONDS", 0.3)
        # New connections are opened with the new timeout.
        app.state.connections.close()
        async with database.transaction() as session:
            await execute(session, text("lock table tweet in access exclusive mode"))
            # The middleware answers for an address that it knows, the application for others.
            by_middleware = await impatient.get(path, headers=headers)
            by_application = await impatient.get(f"{path}&x=1", headers=headers)

    assert known.status_code == 200
    for answer in (by_middleware, by_application):
        assert (answer.status_code, answer.json()["error_type"]) == (504, "ServiceTimeout")


class SlowClient:
    """Asks for the whole feed, and reads the response only when it is told to."""

    def __init__(self, feed: httpx.AsyncClient, reader: int, query: str = "") -> None:
        transport = feed._transport
        assert isinstance(transport, httpx.ASGITransport)
        headers = testing.signed("feed", reader)
        self._scope = {
            **{"type": "http", "method": "GET", "path": "/api/tweets", "raw_path": b"/api/tweets"},
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self._app = transport.app
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._wanted = asyncio.Semaphore(0)
        self._responding: asyncio.Future[None] | None = None
        self._blocked = asyncio.Event()

    async def start(self) -> None:
        """Returns when the response begins, of which nothing is read yet."""
        self._responding = asyncio.ensure_future(self._app(self._scope, self._receive, self._send))
        await self._blocked.wait()

    async def read(self) -> bytes:
        """The next part of the body; empty at the end."""
        while True:
            self._wanted.release()
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
        await self._wanted.acquire()
        self._messages.put_nowait(message)

    async def _receive(self) -> Message:
        await asyncio.Event().wait()
        raise AssertionError


async def test_clients_that_stop_reading_a_whole_feed_hold_no_connection(
    feed: httpx.AsyncClient, database: Database, connections: Connections
) -> None:
    author = await person(database)
    tweets = [await tweet(database, author) for _ in range(5)]
    readers = [await person(database) for _ in range(connections.most)]
    await tell(database, *(UserFollowed(follower_id=r, followed_id=author) for r in readers))
    slow = [SlowClient(feed, reader) for reader in readers]

    for client in slow:
        await client.start()
    # With none of the connections free, these reads would fail.
    used = connections.used
    page = await feed.get("/api/tweets?limit=5", headers=testing.signed("feed", author))
    whole = await feed.get("/api/tweets", headers=testing.signed("feed", author))

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
    await tell(database, *(TweetLiked(tweet_id=tweets[n], user_id=fan) for n in (4, 5)))
    client = SlowClient(feed, ann)
    await client.start()
    body = await client.read()

    # The last tweet would now come first, those that were sent would come again, and one is gone.
    fans = [await person(database) for _ in range(3)]
    await tell(database, *(TweetLiked(tweet_id=tweets[0], user_id=user_id) for user_id in fans))
    await tell(database, *(TweetUnliked(tweet_id=tweets[n], user_id=fan) for n in (4, 5)))
    await tell(database, TweetDeleted(tweet_id=tweets[1]))
    await tweet(database, ann)
    answer = json.loads(body + await client.read_all())

    in_order = [tweets[n] for n in (5, 4, 3, 2, 0)]
    assert [tweet["id"] for tweet in answer["tweets"]] == in_order
    assert [tweet["like_count"] for tweet in answer["tweets"]] == [1, 1, 0, 0, 3]
    assert answer["next_cursor"] is None


async def test_the_cursor_behind_a_whole_feed_leads_on_where_it_ended(
    database: Database, as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEED_WHOLE", "3")
    monkeypatch.setattr(queries, "CHUNK", 2)
    ann = await person(database)
    tweets = [await tweet(database, ann) for _ in range(5)]
    headers = testing.signed("feed", ann)

    async with testing.serving(main.create_app()) as feed:
        whole = await feed.get("/api/tweets", headers=headers)
        cursor = whole.json()["next_cursor"]
        rest = await feed.get(f"/api/tweets?cursor={cursor}", headers=headers)

    assert ids(whole) + ids(rest) == tweets[::-1]
    assert rest.json()["next_cursor"] is None
