"""The way of a request through the gateway: what passes, what does not, what happens in between."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis import access_log, testing
from chassis.identity import Verifier
from gateway import upstream
from gateway.settings import SERVICES
from tests.waiting import PATIENCE_SECONDS

from .neighbours import Made, Neighbour, echo, error, html, owner_of_any_key, refusal

KEY = {"api-key": "anything"}
Ports = Callable[[], int]


async def dying(request: Request) -> Response:
    """Reads the request, and ends the connection within its answer."""
    await request.body()

    async def cut() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionResetError

    return StreamingResponse(cut(), headers={"content-length": "100"})


async def test_a_service_learns_who_asks_from_us_alone(edge: Made) -> None:
    forged = {
        "warble-identity": testing.signed("tweets", 1, administrator=True)["warble-identity"],
        "x-forwarded-for": "1.2.3.4",
        "cookie": "a=b",
        "authorization": "x",
        "warble-after": "tweets:5",
    }
    async with edge() as it:
        await it.client.post("/api/tweets?a=%20b", headers={**KEY, **forged}, json={"x": 1})

        (asked,) = it.tweets.asked
        headers = asked["headers"]
        assert asked["target"] == "/api/tweets?a=%20b"
        assert not headers.keys() & {"api-key", "cookie", "authorization", "warble-after"}
        assert headers.get("x-forwarded-for") != "1.2.3.4"
        identity = Verifier(testing.PUBLIC_KEY, "tweets").identity(headers["warble-identity"])
        assert (identity.user_id, identity.administrator) == (7, False)


async def test_the_name_that_a_client_gives_its_request_is_passed_on(edge: Made) -> None:
    async with edge() as it:
        await it.client.post("/api/tweets", headers={**KEY, "Idempotency-Key": "one"}, json={})

        assert it.tweets.asked[-1]["headers"]["idempotency-key"] == "one"


async def test_a_key_is_asked_about_once_and_after_a_revocation_again(edge: Made) -> None:
    async with edge() as it:
        await asyncio.gather(*(it.client.get("/api/tweets", headers=KEY) for _ in range(20)))
        assert len(it.users.asked) == 1
        for _ in range(5):
            await it.client.get("/api/users/me", headers=KEY)

        lookups = [ask for ask in it.users.asked if "/internal/keys/" in ask["target"]]
        assert len(lookups) == 1
        assert "anything" not in str(lookups)


async def test_a_lookup_that_a_revocation_overtakes_is_not_remembered(edge: Made) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow_owner(request: Request) -> Response:
        asked.set()
        await answered.wait()
        return await owner_of_any_key(request)

    async with edge(users=slow_owner) as it:
        keys = it.client._transport.app._proxy._keys  # type: ignore[attr-defined]
        reading = asyncio.create_task(it.client.get("/api/tweets", headers=KEY))
        await asked.wait()
        keys.drop(7)
        answered.set()
        await reading
        await it.client.get("/api/tweets", headers=KEY)

        assert len(it.users.asked) == 2


async def test_a_path_that_is_none_of_ours_reaches_no_service(edge: Made) -> None:
    async with edge() as it:
        unknown = await it.client.get("/api/nothing", headers=KEY)
        inside = await it.client.get("/internal/keys/x", headers=KEY)
        wrong = await it.client.put("/api/tweets", headers=KEY)

        assert error(unknown) == error(inside) == (404, "NotFound")
        assert error(wrong) == (405, "MethodNotAllowed")
        assert wrong.headers["allow"] == "GET, HEAD, POST"
        assert all(it.neighbours[service].asked == [] for service in SERVICES)


async def test_a_services_own_error_passes_and_anything_else_does_not(edge: Made) -> None:
    async with edge(tweets=refusal, feed=html) as it:
        own = await it.client.delete("/api/tweets/1", headers=KEY)
        broken = await it.client.get("/api/tweets", headers=KEY)

        assert error(own) == (404, "TweetNotFound")
        assert error(broken) == (502, "BadGateway")
        assert "10.0.0.7" not in broken.text


async def test_a_service_that_is_away_or_silent_is_an_answer_in_time(
    edge: Made, unused_tcp_port_factory: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_ANSWER_SECONDS", "1")

    async def silent(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with edge(urls={"tweets": nowhere}, feed=silent) as it:
        away = await it.client.delete("/api/tweets/1", headers=KEY)
        late = await it.client.get("/api/tweets", headers=KEY)

        assert error(away) == (503, "ServiceUnavailable")
        assert error(late) == (504, "ServiceTimeout")
        assert away.headers["retry-after"] == late.headers["retry-after"] == "1"


async def test_who_has_enough_to_do_gets_no_more_and_the_others_go_on(
    edge: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._WAITING", 3)
    answering, asked = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(request: Request) -> Response:
        asked.release()
        await answering.wait()
        return await echo(request)

    async with edge(feed=slow) as it:
        held = [asyncio.create_task(it.client.get("/api/tweets", headers=KEY)) for _ in range(3)]
        for _ in held:
            await asked.acquire()

        refused = await it.client.get("/api/tweets", headers=KEY)
        elsewhere = await it.client.post("/api/tweets", headers=KEY, json={})
        answering.set()

        assert error(refused) == (503, "ServiceOverloaded")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-request-id"]
        assert elsewhere.is_success
        assert all(answer.is_success for answer in await asyncio.gather(*held))
        assert (await it.client.get("/api/tweets", headers=KEY)).is_success
        assert len(it.feed.asked) == 4


async def test_of_many_who_come_at_one_moment_a_service_gets_no_more_than_one_by_one(
    edge: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._WAITING", 3)
    enough = asyncio.Event()

    async def slow(request: Request) -> Response:
        await enough.wait()
        return await echo(request)

    async with edge(feed=slow) as it:
        # Who the key is for is known by then.
        assert (await it.client.post("/api/tweets", headers=KEY, json={})).is_success
        asked = [asyncio.create_task(it.client.get("/api/tweets", headers=KEY)) for _ in range(20)]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum(task.done() for task in asked) < 17:
                await asyncio.sleep(0)
        enough.set()
        answers = await asyncio.gather(*asked)

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [503] * 17


async def test_a_get_goes_to_another_replica_when_one_dies_and_a_post_does_not(
    edge: Made, unused_tcp_port_factory: Ports
) -> None:
    neighbour = Neighbour(dying, unused_tcp_port_factory())
    async with (
        neighbour.running() as mortal,
        edge(urls={"feed": f"{{own}},{mortal.url}", "tweets": f"{{own}},{mortal.url}"}) as it,
    ):
        reads = [await it.client.get("/api/tweets", headers=KEY) for _ in range(6)]
        writes = [await it.client.post("/api/tweets", headers=KEY, json={}) for _ in range(6)]

        assert {read.status_code for read in reads} == {200}
        assert len([ask for ask in mortal.asked if ask["method"] == "POST"]) == 3
        assert len(it.tweets.asked) == 3
        assert sorted(write.status_code for write in writes) == [200] * 3 + [502] * 3


async def test_a_get_with_a_body_goes_to_no_other_replica_once_its_body_is_read(
    edge: Made, unused_tcp_port_factory: Ports
) -> None:
    neighbour = Neighbour(dying, unused_tcp_port_factory())
    async with (
        neighbour.running() as mortal,
        edge(urls={"feed": f"{mortal.url},{{own}}"}, feed=echo) as it,
    ):
        read = await it.client.request("GET", "/api/tweets", headers=KEY, content=b"{}")

        assert error(read) == (502, "BadGateway")
        assert it.feed.asked == []


async def test_a_replica_that_is_not_there_costs_nothing(
    edge: Made, unused_tcp_port_factory: Ports
) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with edge(urls={"tweets": f"{nowhere},{{own}}"}) as it:
        answers = [
            await it.client.post("/api/tweets", headers=KEY, json={"a": 1}) for _ in range(4)
        ]

        assert [answer.json() for answer in answers] == [{"result": True, "length": 7}] * 4


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(edge: Made, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1024)

    content = chunks() if chunked else bytes(100 * 1024)
    async with edge() as it:
        answer = await it.client.post("/api/tweets", headers=KEY, content=content)

        assert error(answer) == (413, "PayloadTooLarge")
        actual = "more than 65.5 kB" if chunked else "102.4 kB"
        assert answer.json()["error_message"] == (
            f"The request has {actual}; at most 65.5 kB are accepted."
        )
        assert answer.json()["error_details"] == {
            "limit": 65_536,
            **({} if chunked else {"actual": 102_400}),
        }


async def test_a_body_that_comes_a_byte_now_and_then_is_given_up(
    edge: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_BODY_SECONDS", 0)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
        await asyncio.Event().wait()

    async with edge() as it:
        answer = await it.client.post("/api/tweets", headers=KEY, content=trickle())

        assert error(answer) == (408, "RequestTimeout")


async def test_a_reader_hands_back_own_writes_and_rubbish_is_passed_over(edge: Made) -> None:
    async def writing(request: Request) -> Response:
        return Response(b"{}", 201, {"warble-events": "tweets:31"}, "application/json")

    async with edge(tweets=writing) as it:
        await it.client.post("/api/tweets", headers=KEY, json={})
        it.client.cookies.clear()
        handed_back = {
            "warble-events": "users:4,rubbish,tweets:31,other:1,tweets:-1," + "x" * 5000,
            "cookie": "a=b; warble_after=media:9,;;=",
        }
        await it.client.get("/api/tweets", headers={**KEY, **handed_back})

        assert it.feed.asked[-1]["headers"]["warble-after"] == "tweets:31,users:4,media:9"


async def test_each_upload_and_download_streams(edge: Made) -> None:
    async def large(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(64 * 1024)

        if request.method == "GET":
            return StreamingResponse(chunks(), media_type="image/png")
        return await echo(request)

    async with edge(media=large) as it:
        upload = await it.client.post("/api/medias", headers=KEY, content=bytes(5_000_000))
        download = await it.client.get("/uploads/x.png")

        assert upload.json()["length"] == 5_000_000
        assert len(download.content) == 64 * 64 * 1024
        assert "warble-identity" not in it.media.asked[-1]["headers"]


async def test_no_log_line_has_the_name_of_an_upload(
    edge: Made, capsys: pytest.CaptureFixture[str], unused_tcp_port_factory: Ports
) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    paths = ("/uploads/hushhush.png", "/uploads/hushhush/x", "//uploads/hushhush.png")
    async with edge(media=refusal) as it, edge(urls={"media": nowhere}) as broken:
        for path in paths:
            for client in (it.client, broken.client):
                for method in ("GET", "HEAD", "POST"):
                    await client.request(method, f"http://gateway{path}")
    access_log.flush()

    written = capsys.readouterr().err
    assert "/uploads/" in written
    assert "hushhush" not in written


async def test_a_replica_that_says_that_it_leaves_is_asked_after_the_others(
    edge: Made, unused_tcp_port_factory: Ports
) -> None:
    async def leaving(request: Request) -> Response:
        return Response("{}", headers={"connection": "close"}, media_type="application/json")

    neighbour = Neighbour(leaving, unused_tcp_port_factory())
    async with neighbour.running(), edge(urls={"tweets": f"{neighbour.url},{{own}}"}) as it:
        for _ in range(6):
            assert (await it.client.post("/api/tweets", headers=KEY, json={})).is_success

        assert len(neighbour.asked) == 1
        assert len(it.tweets.asked) == 5
