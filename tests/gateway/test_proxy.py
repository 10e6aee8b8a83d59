"""Forwarding: what reaches a service, what reaches the client, and what happens on failures."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chassis import testing
from chassis.auth.identity import Verifier
from chassis.observability import access_log
from gateway import admission_queue, upstream
from gateway.settings import SERVICES
from tests.waiting import PATIENCE_SECONDS

from .fake_services import (
    PERSON,
    FakeService,
    StartGateway,
    echo,
    error,
    html,
    owner_of_any_key,
    refusal,
)

KEY = {"api-key": "anything"}
Ports = Callable[[], int]


async def dying(request: Request) -> Response:
    """Reads the request, and closes the connection in the middle of its response."""
    await request.body()

    async def cut() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionResetError

    return StreamingResponse(cut(), headers={"content-length": "100"})


async def test_a_service_gets_the_identity_from_the_gateway_only(
    start_gateway: StartGateway,
) -> None:
    forged = {
        "warble-identity": testing.identity_headers("tweets", 1, administrator=True)[
            "warble-identity"
        ],
        "x-forwarded-for": "1.2.3.4",
        "cookie": "a=b",
        "authorization": "x",
        "warble-after": "tweets:5",
    }
    async with start_gateway() as running:
        await running.client.post("/api/tweets?a=%20b", headers={**KEY, **forged}, json={"x": 1})

        (requested,) = running.tweets.requests
        headers = requested["headers"]
        assert requested["target"] == "/api/tweets?a=%20b"
        assert not headers.keys() & {"api-key", "cookie", "authorization", "warble-after"}
        assert headers.get("x-forwarded-for") != "1.2.3.4"
        identity = Verifier(testing.PUBLIC_KEY, "tweets").verify(headers["warble-identity"])
        assert (identity.user_id, identity.administrator) == (PERSON, False)


async def test_the_idempotency_key_is_forwarded(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway() as running:
        await running.client.post("/api/tweets", headers={**KEY, "Idempotency-Key": "one"}, json={})

        assert running.tweets.requests[-1]["headers"]["idempotency-key"] == "one"


async def test_many_requests_with_one_key_cause_one_lookup(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway() as running:
        await asyncio.gather(*(running.client.get("/api/tweets", headers=KEY) for _ in range(20)))
        assert len(running.users.requests) == 1
        for _ in range(5):
            await running.client.get("/api/users/me", headers=KEY)

        lookups = [ask for ask in running.users.requests if "/internal/keys/" in ask["target"]]
        assert len(lookups) == 1
        assert "anything" not in str(lookups)


@pytest.mark.parametrize(
    ("revoked", "lookups"), [(PERSON, 2), (PERSON + 1_000, 1)], ids=["own", "somebody else's"]
)
async def test_a_lookup_overtaken_by_a_revocation_of_its_person_is_not_cached(
    start_gateway: StartGateway, revoked: int, lookups: int
) -> None:
    requested, respond = asyncio.Event(), asyncio.Event()

    async def slow_owner(request: Request) -> Response:
        requested.set()
        await respond.wait()
        return await owner_of_any_key(request)

    async with start_gateway(users=slow_owner) as running:
        keys = running.client._transport.app._proxy._credentials  # type: ignore[attr-defined]
        reading = asyncio.create_task(running.client.get("/api/tweets", headers=KEY))
        await requested.wait()
        keys.expire_person(revoked)
        respond.set()
        await reading
        await running.client.get("/api/tweets", headers=KEY)

        assert len(running.users.requests) == lookups


async def test_an_unknown_path_reaches_no_service(start_gateway: StartGateway) -> None:
    async with start_gateway() as running:
        unknown = await running.client.get("/api/nothing", headers=KEY)
        inside = await running.client.get("/internal/keys/x", headers=KEY)
        wrong = await running.client.put("/api/tweets", headers=KEY)

        assert error(unknown) == error(inside) == (404, "NotFound")
        assert error(wrong) == (405, "MethodNotAllowed")
        assert wrong.headers["allow"] == "GET, HEAD, POST"
        assert all(running.services[service].requests == [] for service in SERVICES)


async def test_only_well_formed_errors_of_a_service_are_passed_on(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(tweets=refusal, feed=html) as running:
        own = await running.client.delete("/api/tweets/1", headers=KEY)
        broken = await running.client.get("/api/tweets", headers=KEY)

        assert error(own) == (404, "TweetNotFound")
        assert error(broken) == (502, "BadGateway")
        assert "10.0.0.7" not in broken.text


async def test_an_unreachable_or_silent_service_is_an_error_in_time(
    start_gateway: StartGateway, unused_tcp_port_factory: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_UPSTREAM_TIMEOUT_SECONDS", "1")

    async def silent(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with start_gateway(urls={"tweets": nowhere}, feed=silent) as running:
        away = await running.client.delete("/api/tweets/1", headers=KEY)
        late = await running.client.get("/api/tweets", headers=KEY)

        assert error(away) == (503, "ServiceUnavailable")
        assert error(late) == (504, "ServiceTimeout")
        assert away.headers["retry-after"] == late.headers["retry-after"] == "1"


async def test_a_full_service_gets_no_more_requests_and_others_go_on(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http1.client._MAX_AWAITING", 3)
    monkeypatch.setattr(admission_queue, "MAX_WAIT_SECONDS", 0.05)
    respond, requested = asyncio.Event(), asyncio.Semaphore(0)

    async def slow(request: Request) -> Response:
        requested.release()
        await respond.wait()
        return await echo(request)

    async with start_gateway(feed=slow) as running:
        pending = [
            asyncio.create_task(running.client.get("/api/tweets", headers=KEY)) for _ in range(3)
        ]
        for _ in pending:
            await requested.acquire()

        refused = await running.client.get("/api/tweets", headers=KEY)
        elsewhere = await running.client.post("/api/tweets", headers=KEY, json={})
        respond.set()

        assert error(refused) == (503, "ServiceOverloaded")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-request-id"]
        assert elsewhere.is_success
        assert all(response.is_success for response in await asyncio.gather(*pending))
        assert (await running.client.get("/api/tweets", headers=KEY)).is_success
        assert len(running.feed.requests) == 4


async def test_a_burst_is_answered_and_does_not_exceed_the_limit_of_a_replica(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The test shows that nothing is refused for its number. A busy machine may take its time.
    monkeypatch.setattr(admission_queue, "BURST_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(admission_queue, "MAX_WAIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setenv("GATEWAY_UPSTREAM_TIMEOUT_SECONDS", str(PATIENCE_SECONDS))
    now, most = 0, 0

    async def counting(request: Request) -> Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return await echo(request)

    async with start_gateway(feed=counting, users=owner_of_any_key) as running:
        responses = await asyncio.gather(
            *(
                running.client.get("/api/tweets", headers={"api-key": f"key {number % 100}"})
                for number in range(300)
            )
        )

    assert [response.status_code for response in responses] == [200] * 300
    assert most <= 50


async def test_a_get_is_repeated_at_another_replica_and_a_post_is_not(
    start_gateway: StartGateway, unused_tcp_port_factory: Ports
) -> None:
    fake_service = FakeService(dying, unused_tcp_port_factory())
    async with (
        fake_service.running() as mortal,
        start_gateway(
            urls={"feed": f"{{own}},{mortal.url}", "tweets": f"{{own}},{mortal.url}"}
        ) as running,
    ):
        reads = [await running.client.get("/api/tweets", headers=KEY) for _ in range(6)]
        writes = [await running.client.post("/api/tweets", headers=KEY, json={}) for _ in range(6)]

        assert {read.status_code for read in reads} == {200}
        assert len([ask for ask in mortal.requests if ask["method"] == "POST"]) == 3
        assert len(running.tweets.requests) == 3
        assert sorted(write.status_code for write in writes) == [200] * 3 + [502] * 3


async def test_a_get_with_a_body_is_not_repeated(
    start_gateway: StartGateway, unused_tcp_port_factory: Ports
) -> None:
    fake_service = FakeService(dying, unused_tcp_port_factory())
    async with (
        fake_service.running() as mortal,
        start_gateway(urls={"feed": f"{mortal.url},{{own}}"}, feed=echo) as running,
    ):
        read = await running.client.request("GET", "/api/tweets", headers=KEY, content=b"{}")

        assert error(read) == (502, "BadGateway")
        assert running.feed.requests == []


async def test_an_unreachable_replica_is_not_noticed_by_clients(
    start_gateway: StartGateway, unused_tcp_port_factory: Ports
) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    async with start_gateway(urls={"tweets": f"{nowhere},{{own}}"}) as running:
        responses = [
            await running.client.post("/api/tweets", headers=KEY, json={"a": 1}) for _ in range(4)
        ]

        assert [response.json() for response in responses] == [{"result": True, "length": 7}] * 4


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(
    start_gateway: StartGateway, chunked: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield bytes(1024)

    content = chunks() if chunked else bytes(100 * 1024)
    async with start_gateway() as running:
        response = await running.client.post("/api/tweets", headers=KEY, content=content)

        assert error(response) == (413, "PayloadTooLarge")
        actual = "more than 65.5 kB" if chunked else "102.4 kB"
        assert response.json()["error_message"] == (
            f"The request is too large: {actual}. The limit is 65.5 kB."
        )
        assert response.json()["error_details"] == {
            "limit": 65_536,
            **({} if chunked else {"actual": 102_400}),
        }


async def test_a_body_that_arrives_too_slowly_is_refused(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_BODY_SECONDS", 0)

    async def trickle() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" "
        await asyncio.Event().wait()

    async with start_gateway() as running:
        response = await running.client.post("/api/tweets", headers=KEY, content=trickle())

        assert error(response) == (408, "RequestTimeout")


async def test_consistency_tokens_of_a_client_reach_reads_without_garbage(
    start_gateway: StartGateway,
) -> None:
    async def writing(request: Request) -> Response:
        return Response(b"{}", 201, {"warble-events": "tweets:31"}, "application/json")

    async with start_gateway(tweets=writing) as running:
        await running.client.post("/api/tweets", headers=KEY, json={})
        running.client.cookies.clear()
        handed_back = {
            "warble-events": "users:4,rubbish,tweets:31,other:1,tweets:-1," + "x" * 5000,
            "cookie": "a=b; warble_after=media:9,;;=",
        }
        await running.client.get("/api/tweets", headers={**KEY, **handed_back})
        await running.client.post("/api/tweets/1/mute", headers={**KEY, **handed_back})
        await running.client.get("/api/users/1", headers={**KEY, **handed_back})

        for service in (running.feed, running.notifications, running.users):
            tokens = service.requests[-1]["headers"]["warble-after"]
            assert tokens == "tweets:31,users:4,media:9"


async def test_uploads_and_downloads_are_streamed(start_gateway: StartGateway) -> None:
    async def large(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(64):
                yield bytes(64 * 1024)

        if request.method == "GET":
            return StreamingResponse(chunks(), media_type="image/png")
        return await echo(request)

    async with start_gateway(media=large) as running:
        upload = await running.client.post("/api/medias", headers=KEY, content=bytes(5_000_000))
        download = await running.client.get("/uploads/x.png")

        assert upload.json()["length"] == 5_000_000
        assert len(download.content) == 64 * 64 * 1024
        assert "warble-identity" not in running.media.requests[-1]["headers"]


async def test_no_log_line_contains_the_name_of_an_upload(
    start_gateway: StartGateway, capsys: pytest.CaptureFixture[str], unused_tcp_port_factory: Ports
) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port_factory()}"
    paths = ("/uploads/hushhush.png", "/uploads/hushhush/x", "//uploads/hushhush.png")
    async with (
        start_gateway(media=refusal) as running,
        start_gateway(urls={"media": nowhere}) as broken,
    ):
        for path in paths:
            for client in (running.client, broken.client):
                for method in ("GET", "HEAD", "POST"):
                    await client.request(method, f"http://gateway{path}")
    access_log.flush()

    written = capsys.readouterr().err
    assert "/uploads/" in written
    assert "hushhush" not in written


async def test_a_draining_replica_is_tried_last(
    start_gateway: StartGateway, unused_tcp_port_factory: Ports
) -> None:
    async def leaving(request: Request) -> Response:
        return Response("{}", headers={"connection": "close"}, media_type="application/json")

    fake_service = FakeService(leaving, unused_tcp_port_factory())
    async with (
        fake_service.running(),
        start_gateway(urls={"tweets": f"{fake_service.url},{{own}}"}) as running,
    ):
        for _ in range(6):
            assert (await running.client.post("/api/tweets", headers=KEY, json={})).is_success

        assert len(fake_service.requests) == 1
        assert len(running.tweets.requests) == 5
