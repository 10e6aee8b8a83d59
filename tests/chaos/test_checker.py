"""The checker finds each kind of violation: the tests make the history differ from the system."""

from collections.abc import AsyncIterator

import pytest

from devstack.instance import Instance
from tools.api_client import ATTEMPTS, api_of

from .checker import Checker
from .history import History, Mark, Outcome, Tweet, Upload
from .load import Load, hired


@pytest.fixture
async def load(stack: Instance) -> AsyncIterator[Load]:
    async with hired(stack, "checker", people=2) as load:
        yield load


async def found(stack: Instance, load: Load) -> str:
    async with api_of(stack, ATTEMPTS) as api:
        return "\n".join(await Checker(api, load.api, load.history).verdict(patience=0))


async def post(load: Load, content: str) -> Tweet:
    ann = load.history.people[0]
    response = await load.api.write(ann, "POST", "/api/tweets", json={"tweet_data": content})
    tweet = Tweet(ann, content, [], Outcome.done, response.body["tweet_id"])
    load.history.tweets[content] = tweet
    return tweet


async def until_nothing(stack: Instance, history: History, load: Load) -> list[str]:
    async with api_of(stack, ATTEMPTS) as api:
        return await Checker(api, load.api, history).verdict()


async def test_where_all_is_as_it_was_told_nothing_is_found(stack: Instance, load: Load) -> None:
    async with load.running(calls_a_second=100):
        while sum(load.history.writes.values()) < 100:
            await load.api.read(load.history.people[0], "/api/users/me")

    assert await until_nothing(stack, load.history, load) == []
    assert load.history.writes == {Outcome.done: sum(load.history.writes.values())}


async def test_a_tweet_that_is_not_there_is_lost(stack: Instance, load: Load) -> None:
    gone = await post(load, "here today")
    await load.api.write(gone.author, "DELETE", f"/api/tweets/{gone.id}")

    assert "lost: 'here today'" in await found(stack, load)


async def test_a_tweet_that_nobody_posted_and_one_that_was_refused_appear(
    stack: Instance, load: Load
) -> None:
    (await post(load, "refused")).posted = Outcome.refused
    await post(load, "unheard of")
    del load.history.tweets["unheard of"]
    assert await until_there(load, 2)

    findings = await found(stack, load)

    assert "appeared: 'unheard of', which nobody posted" in findings
    assert "appeared: 'refused'" in findings


async def test_a_tweet_that_is_there_twice_is_doubled(stack: Instance, load: Load) -> None:
    await post(load, "again")
    await post(load, "again")
    assert await until_there(load, 2)

    assert "doubled: 'again'" in await found(stack, load)


async def test_likes_and_follows_are_compared_with_what_was_told(
    stack: Instance, load: Load
) -> None:
    ann, boris = load.history.people
    tweet = await post(load, "liked")
    assert await until_there(load, 1)
    await load.api.write(boris, "POST", f"/api/users/{ann.id}/follow")
    load.history.likes[boris.id, tweet.id or 0] = Mark(set=True)

    findings = await found(stack, load)

    assert f"lost: {boris.name} likes tweet {tweet.id}" in findings
    assert f"appeared: {boris.name} follows {ann.name}" in findings


async def test_a_picture_that_is_not_there_is_lost(stack: Instance, load: Load) -> None:
    load.history.uploads.append(Upload(load.history.people[0], 900_000_000))

    assert "picture 900000000 is lost" in await found(stack, load)


async def until_there(load: Load, count: int) -> bool:
    ann = load.history.people[0]
    for _ in range(1_000):
        response = await load.api.read(ann, f"/api/users/{ann.id}/tweets")
        if len(response.body["tweets"]) == count:
            return True
    return False
