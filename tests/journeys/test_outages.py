"""What still works while a part is down, and that nothing is missing afterwards."""

import asyncio
from typing import Any

import httpx
import pytest

from chassis import testing
from devstack import health
from devstack.instance import Instance
from devstack.repository import SERVICES
from tests.waiting import eventually

from .company import Company, until


def ids(feed: list[dict[str, Any]]) -> list[int]:
    return [tweet["id"] for tweet in feed]


@pytest.mark.exclusive
async def test_while_the_feeds_worker_is_away_a_read_answers_and_says_that_it_is_stale(
    company: Company, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    earlier = await ann.post("earlier")
    assert await ann.feed_ids() == [earlier]

    stack.stop("feed-worker")
    try:
        later = await ann.post("later")
        response = await ann.ask("GET", "/api/tweets")
    finally:
        stack.start("feed-worker")

    assert response.headers["warble-stale"] == "true"
    assert [tweet["id"] for tweet in response.json()["tweets"]] == [earlier]
    await until(ann, lambda feed: ids(feed) == [later, earlier])


@pytest.mark.exclusive
async def test_a_picture_whose_event_is_still_on_its_way_can_be_attached(
    company: Company, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    stack.stop("tweets-worker")
    try:
        tweet_id = await ann.post("with a picture", [await ann.upload(alt="A door")])
    finally:
        stack.start("tweets-worker")

    (tweet,) = await until(ann, lambda feed: feed and feed[0]["attachments"])
    assert tweet["id"] == tweet_id
    (media,) = tweet["media"]
    assert (media["width"], media["height"], media["alt"]) == (40, 30, "A door")
    assert media["thumbnail"].endswith(".webp")


@pytest.mark.exclusive
async def test_a_worker_that_is_killed_comes_back_and_misses_nothing(
    company: Company, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    before = stack.pid("feed-worker")

    stack.kill("feed-worker")
    stack.kill("tweets-worker")
    tweet_ids = [await ann.post(f"number {number}") for number in range(5)]

    await until(ann, lambda feed: sorted(ids(feed)) == tweet_ids)
    assert stack.pid("feed-worker") != before


@pytest.mark.exclusive
async def test_a_post_with_an_idempotency_key_is_one_tweet_though_its_services_are_killed(
    company: Company, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    tweet_ids: dict[int, set[int]] = {}

    async def post_until_answered(number: int) -> None:
        async def post() -> httpx.Response | None:
            response = await ann.ask(
                "POST",
                "/api/tweets",
                json={"tweet_data": f"number {number}"},
                headers={"idempotency-key": f"outage-{number}"},
            )
            assert response.is_success or response.status_code in (502, 503, 504), response.text
            return response if response.is_success else None

        response = await eventually(post)
        tweet_ids.setdefault(number, set()).add(response.json()["tweet_id"])

    async def post_each_twice(numbers: range) -> None:
        for number in numbers:
            await asyncio.gather(post_until_answered(number), post_until_answered(number))

    async with asyncio.TaskGroup() as group:
        for start in range(0, 80, 20):
            group.create_task(post_each_twice(range(start, start + 20)))
        for program in ("tweets-api-1", "tweets-api-2", "tweets-worker"):
            await asyncio.to_thread(stack.kill, program)
    wanted = sorted(tweet_id for (tweet_id,) in tweet_ids.values())

    assert len(wanted) == 80
    await until(ann, lambda feed: sorted(ids(feed)) == wanted)
    for program in ("tweets-api-1", "tweets-api-2", "tweets-worker"):
        await asyncio.to_thread(health.wait_until_healthy, stack.url(program) or "", 60)


@pytest.mark.exclusive
async def test_killing_a_replica_under_load_fails_no_get(company: Company, stack: Instance) -> None:
    ann = await company.hire("Ann")
    await ann.post()
    failed: list[str] = []
    done = asyncio.Event()

    async def keep_reading(path: str) -> None:
        while not done.is_set():
            response = await ann.ask("GET", path)
            if not response.is_success:
                failed.append(f"{path}: {response.status_code} {response.text}")

    async with asyncio.TaskGroup() as group:
        for path in ("/api/tweets?limit=20", "/api/users/me") * 4:
            group.create_task(keep_reading(path))
        for program in ("feed-api-1", "users-api-2", "feed-api-2", "users-api-1"):
            before = stack.pid(program)
            await asyncio.to_thread(stack.kill, program)
            await eventually(lambda: _replaced(company, program, before))  # noqa: B023
        done.set()

    assert failed == []


async def _replaced(company: Company, program: str, before: int) -> bool:
    if await asyncio.to_thread(company.instance.pid, program) in (0, before):
        return False
    try:
        return (await company.http.get(f"{company.instance.url(program)}/health/ready")).is_success
    except httpx.TransportError:
        return False


async def test_both_replicas_get_work(company: Company, stack: Instance) -> None:
    ann = await company.hire("Ann")

    async def handled(program: str) -> float:
        metrics = (await company.http.get(f"{stack.url(program)}/metrics")).text
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in metrics.splitlines()
            if line.startswith("http_requests_total{")
        )

    programs = [f"{name}-api-{n}" for name in SERVICES for n in (1, 2)]
    idle = {program: await handled(program) for program in programs}
    for number in range(500):
        # Users and the feed do not count answers from their caches.
        await ann.ask("GET", f"/api/users/me?new={number}")
        await ann.ask("POST", "/api/tweets/900000000/likes")
        await ann.ask("GET", f"/api/tweets?limit=1&new={number}")
        await ann.upload()
        await ann.ask("GET", "/api/notifications/unread")
        idle = {name: count for name, count in idle.items() if await handled(name) == count}
        if not idle:
            break

    assert idle == {}


async def test_an_identity_header_from_outside_is_not_passed_on(company: Company) -> None:
    ann = await company.hire("Ann")

    own = await ann.ask("GET", "/api/users/me", headers={"warble-identity": "made.up.one"})
    forged = testing.identity_headers("users", 1, administrator=True)
    hiring = await ann.ask("POST", "/api/users", json={"name": "X"}, headers=forged)
    nobody = await company.http.get("/api/users/me", headers=forged)

    assert own.json()["user"]["id"] == ann.id
    assert hiring.status_code == 403
    assert nobody.status_code == 401
