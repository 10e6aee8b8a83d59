"""The stream process: who receives which notice, and how a client resumes."""

import asyncio
import itertools
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvicorn
from prometheus_client import REGISTRY

from chassis import testing
from chassis.auth.identity import IDENTITY_HEADER
from chassis.database.session import Database, fetch
from chassis.http import event_stream
from chassis.process.http_protocol import HttpProtocol
from services.notifications import api_process, positions, stream_process
from services.notifications.settings import Settings
from services.notifications.streaming.endpoint import StreamProcess
from tests.notifications import rows
from tests.sse import Stream, open_stream
from tests.waiting import PATIENCE_SECONDS, eventually

_people = itertools.count(random.randrange(10**6, 10**9) * 1000)


def person() -> int:
    return next(_people)


class Service:
    """The stream process, serving in this process, and the database that it reads."""

    def __init__(self, url: str, process: StreamProcess, database: Database) -> None:
        self.url = url
        self.process = process
        self.database = database

    def open(
        self, user_id: int, after: int | None = None, **parameters: str | int
    ) -> AbstractAsyncContextManager[Stream]:
        headers = testing.identity_headers("notifications", user_id)
        if after is not None:
            headers["last-event-id"] = str(after)
        return open_stream(self.url, headers, **parameters)

    async def run(self, statement: str, *arguments: object) -> list[Any]:
        async with self.database.transaction() as session:
            return await fetch(session, statement, *arguments)

    async def notice(self, kind: str, **columns: object) -> int:
        """Appends a notice and returns its position."""
        names = ", ".join(["position", "kind", *columns])
        values = ", ".join(f"${place}" for place in range(2, len(columns) + 2))
        async with self.database.transaction() as session:
            await positions.lock(session)
            (row,) = await fetch(
                session,
                "with given as (update position set position = position + 1 returning position)"
                f" insert into notice ({names}) select position, $1, {values} from given"
                " returning position",
                kind,
                *columns.values(),
            )
        return int(row["position"])

    async def tweet(self, author_id: int, **columns: object) -> int:
        tweet_id = person()
        await self.notice(
            "tweet", tweet_id=tweet_id, author_id=author_id, event=f"tweets:{tweet_id}", **columns
        )
        return tweet_id

    async def follow(self, follower_id: int, followed_id: int) -> None:
        await self.run("insert into follow values ($1, $2, true, 1)", follower_id, followed_id)

    async def store_tweet(self, tweet_id: int, likes: int) -> None:
        await self.run(
            "insert into tweet (id, like_count) values ($1, $2)"
            " on conflict (id) do update set like_count = excluded.like_count",
            tweet_id,
            likes,
        )


@asynccontextmanager
async def serving(process: StreamProcess, port: int) -> AsyncIterator[str]:
    """Serves the process with the protocol that it has in production."""
    listening = socket.create_server(("127.0.0.1", port))
    # What the kernel buffers would otherwise hide that a client does not read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    config = uvicorn.Config(process, http=HttpProtocol, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    async with process.application.router.lifespan_context(process.application):
        running = asyncio.create_task(server.serve([listening]))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not server.started:
                    await asyncio.wait([running], timeout=0.01)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            server.force_exit = True
            await running


@pytest.fixture
async def service(
    as_service: Callable[[str], None],
    unused_tcp_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Service]:
    as_service("notifications")
    monkeypatch.setenv("NOTIFICATIONS_MAX_STREAMS", "20")
    process = stream_process.create_app()
    database = Database(Settings())
    async with serving(process, unused_tcp_port) as url:
        service = Service(url, process, database)

        async def is_started() -> bool:
            async with service.open(person()) as stream:
                return stream.response.status_code == 200

        await eventually(is_started)
        yield service
    await database.close()


async def test_followers_are_told_of_a_tweet_and_strangers_are_not(service: Service) -> None:
    ann, boris, clara, author = person(), person(), person(), person()
    await service.follow(ann, author)
    await service.run("insert into tag_follow values ($1, 'release', true, 1)", boris)
    async with (
        service.open(ann) as of_ann,
        service.open(boris) as of_boris,
        service.open(clara) as of_clara,
        service.open(author) as of_author,
        service.open(person(), everyone=1) as of_everyone,
    ):
        first = await service.tweet(author, tags=["release"])
        last = await service.tweet(clara)

        for stream in (of_ann, of_boris, of_author):
            event = await stream.event("tweet")
            assert event.data == {
                "tweet": first,
                "author": author,
                "root": None,
                "parent": None,
                "event": f"tweets:{first}",
            }
        assert (await of_everyone.event("tweet", 2)).data["tweet"] == last
        assert (await of_clara.event("tweet")).data["tweet"] == last
        assert len(of_clara.named("tweet")) == len(of_ann.named("tweet")) == 1


async def test_a_thread_on_the_screen_is_told_of_replies_and_deletions(service: Service) -> None:
    root = person()
    async with service.open(person(), threads=root) as stream:
        reply = await service.tweet(person(), root_id=root, parent_id=root)
        await service.notice("deleted", tweet_id=reply, author_id=1, root_id=root, event="tweets:2")

        assert (await stream.event("tweet")).data["parent"] == root
        deleted = await stream.event("deleted")
        assert deleted.data == {"tweet": reply, "author": 1, "root": root, "event": "tweets:2"}


async def test_a_client_that_comes_back_again_and_again_gets_each_notice_once(
    service: Service,
) -> None:
    """While notices are written, also by transactions that are rolled back."""
    reader, author = person(), person()
    await service.follow(reader, author)
    written: list[int] = []

    async def write() -> None:
        for number in range(400):
            written.append(await service.tweet(author))
            if number % 10 == 0:
                await service.notice("counts", tweet_id=1)

    async with service.open(reader) as stream:
        position = (await stream.event("welcome")).id
    writing = asyncio.gather(write(), write())
    received: list[tuple[int, int]] = []
    while len(received) < 800:
        async with service.open(reader, after=position) as stream:
            enough = random.randrange(60)

            async def look() -> bool:
                count = len(stream.named("tweet"))
                return count >= min(enough, 800 - len(received))  # noqa: B023

            await eventually(look)
            received += [(event.id, event.data["tweet"]) for event in stream.named("tweet")]
            position = stream.last_id or position
    await writing

    assert len(received) == 800
    assert sorted(tweet for _, tweet in received) == sorted(written)
    assert received == sorted(received)


async def test_many_clients_resume_at_once_and_each_gets_its_own_part(service: Service) -> None:
    author = person()
    readers = [person() for _ in range(15)]
    for reader in readers:
        await service.follow(reader, author)
    async with service.open(author) as stream:
        start = (await stream.event("welcome")).id
    tweets = [await service.tweet(author) for _ in range(250)]

    async def missed(number: int) -> list[int]:
        async with service.open(readers[number], after=start + number) as stream:
            await stream.event("tweet", 250 - number)
            return [event.data["tweet"] for event in stream.named("tweet")]

    found = await asyncio.gather(*map(missed, range(15)))

    assert found == [tweets[number:] for number in range(15)]


async def test_a_client_that_missed_what_the_log_has_lost_reads_all_again(service: Service) -> None:
    author = person()
    old = await service.notice("counts", tweet_id=1)
    async with service.open(author, after=old) as stream:
        for _ in range(3):
            await service.tweet(author)
        # Until the process has read the log up to here, it does not know these positions.
        await stream.event("tweet", 3)
    await service.run("delete from notice where position <= $1", old + 2)
    for after in (old, old + 10**6):
        async with service.open(author, after=after) as stream:
            resync = await stream.event("resync")
            await service.tweet(author)

            assert resync.data == {}
            assert (await stream.event("tweet")).id > resync.id > old
            assert len(stream.named("tweet")) == 1


async def test_a_heartbeat_moves_the_position_of_a_client(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.open(person()) as stream:
        position = await service.notice("counts", tweet_id=1)

        async def look() -> bool:
            return stream.last_id >= position

        monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 1)
        await eventually(look)
        assert stream.events == stream.named("welcome")


async def test_counts_of_tweets_on_the_screen_are_told_at_once_and_at_each_change(
    service: Service,
) -> None:
    reader, tweet, other = person(), person(), person()
    await service.store_tweet(tweet, 3)
    await service.store_tweet(other, 5)
    async with service.open(reader, tweets=tweet) as stream:
        assert (await stream.event("counts")).data == {"tweet": tweet, "likes": 3, "replies": 0}
        await service.store_tweet(tweet, 4)
        await service.notice("counts", tweet_id=tweet)
        await service.notice("counts", tweet_id=other)
        assert (await stream.event("counts", 2)).data["likes"] == 4

        app = api_process.create_app()
        async with testing.client_for(app) as api:
            token = (await stream.event("welcome")).data["stream"]
            watching = {"stream": token, "tweets": [other]}
            for user_id in (person(), reader):
                response = await api.post(
                    "/api/stream/watching",
                    json=watching,
                    headers=testing.identity_headers("notifications", user_id),
                )
                assert response.status_code == 200

        assert (await stream.event("counts", 3)).data == {"tweet": other, "likes": 5, "replies": 0}
        await service.notice("counts", tweet_id=tweet)
        await service.store_tweet(other, 6)
        await service.notice("counts", tweet_id=other)
        assert (await stream.event("counts", 4)).data["likes"] == 6
        assert len(stream.named("counts")) == 4


async def test_the_recipient_is_told_of_a_notification_on_all_devices(service: Service) -> None:
    ann, boris, tweet = person(), person(), person()

    async def notify(kind: str, tweet_id: int) -> int:
        seq = await rows.notify(service.database, ann, kind, boris, subject=tweet_id, about=tweet)
        await service.notice(
            "notification",
            recipient_id=ann,
            group_kind=kind,
            group_subject_id=tweet,
            group_day=rows.NOON.date(),
        )
        return seq

    async with service.open(ann) as one, service.open(ann) as other, service.open(boris) as actor:
        for kind in ("like", "follow"):
            await service.run(
                "insert into preference values ($1, $2, 'off', 'everyone')", ann, kind
            )
        seq = await notify("like", tweet)
        seq = await notify("reply", person())
        for stream in (one, other):
            assert (await stream.event("notification")).data == {
                "group": f"reply:{tweet}:{rows.NOON.date()}",
                "kind": "reply",
                "seq": seq,
                "unread": 1,
            }
        await service.run("insert into seen values ($1, $2)", ann, seq)
        await service.notice("seen", recipient_id=ann)
        for stream in (one, other):
            assert (await stream.event("unread")).data == {"count": 0, "seen": seq}
            assert len(stream.events) == 3
        assert len(actor.events) == 1


async def test_a_client_that_does_not_read_is_disconnected_and_others_go_on(
    service: Service,
) -> None:
    reader, author = person(), person()
    await service.follow(reader, author)
    before = _closed("slow")
    async with service.open(reader) as stream:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        host, port = service.url.removeprefix("http://").split(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (host, int(port)))
        token = testing.identity_headers("notifications", reader)[IDENTITY_HEADER]
        request = f"GET /api/stream HTTP/1.1\r\nhost: x\r\n{IDENTITY_HEADER}: {token}\r\n\r\n"
        await loop.sock_sendall(connection, request.encode())
        written = 0

        async def is_closed() -> bool:
            nonlocal written
            # Long event ids make it faster.
            await service.notice(
                "tweet", tweet_id=1, author_id=author, event="tweets:" + 5000 * "1"
            )
            written += 1
            return _closed("slow") > before

        await eventually(is_closed)
        connection.close()
        await stream.event("tweet", written)
        assert _closed("slow") == before + 1


def _closed(reason: str) -> float:
    return REGISTRY.get_sample_value("warble_stream_closed_total", {"reason": reason}) or 0.0


async def test_the_eleventh_stream_of_a_person_closes_the_first_one(service: Service) -> None:
    reader = person()
    async with service.open(reader) as first, service.open(reader) as second:
        await second.event("welcome")
        async with service.open(person()) as of_another:
            streams = [service.open(reader) for _ in range(9)]
            opened = [await stream.__aenter__() for stream in streams]
            await first.over()

            assert first.is_complete
            assert first.retry >= 1000
            assert not any(stream.is_over for stream in (second, of_another, *opened))
            for stream in streams:
                await stream.__aexit__(None, None, None)


async def test_a_full_process_refuses(service: Service) -> None:
    streams = [service.open(person()) for _ in range(20)]
    for stream in streams:
        await stream.__aenter__()
    async with service.open(person()) as refused:
        assert refused.response.status_code == 503
        assert "retry-after" in refused.response.headers
    for stream in streams:
        await stream.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("tweets", "x"), ("tweets", ",".join(["1"] * 101)), ("threads", "0"), ("everyone", "maybe")],
)
async def test_invalid_parameters_are_refused(service: Service, name: str, value: str) -> None:
    headers = testing.identity_headers("notifications", person())
    async with open_stream(service.url, headers, **{name: value}) as refused:
        assert refused.response.status_code == 422


async def test_only_the_gateway_can_open_a_stream(service: Service) -> None:
    async with open_stream(service.url, {}) as refused:
        assert refused.response.status_code == 401


async def test_streams_survive_the_loss_of_the_database(service: Service) -> None:
    reader = person()
    async with service.open(reader) as stream:
        await stream.event("welcome")
        for number in range(1, 4):
            with pytest.raises(Exception, match=r"terminat|connection"):
                await service.run(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() order by pid = pg_backend_pid()"
                )
            await service.database.engine.dispose()
            tweet = await service.tweet(reader)

            assert (await stream.event("tweet", number)).data["tweet"] == tweet


async def test_a_stopping_process_sends_its_clients_away_for_a_random_time(
    service: Service,
) -> None:
    streams = [service.open(person()) for _ in range(10)]
    opened: list[Stream] = [await stream.__aenter__() for stream in streams]
    for stream in opened:
        await stream.event("welcome")

    await service.process.drain()

    for stream in opened:
        await stream.over()
        assert stream.is_complete
    assert len({stream.retry for stream in opened}) > 1
    for context in streams:
        await context.__aexit__(None, None, None)
