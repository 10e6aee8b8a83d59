"""The checker finds each kind of violation: the tests make the history differ from the system."""

from collections.abc import AsyncIterator

import pytest

from devstack.instance import Instance
from operate import postgres
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


async def post(load: Load, content: str, parent: Tweet | None = None) -> Tweet:
    ann = load.history.people[0]
    draft = {"tweet_data": content, "reply_to": parent and parent.id}
    response = await load.api.write(ann, "POST", "/api/tweets", json=draft)
    tweet = Tweet(ann, content, [], Outcome.done, response.body["tweet_id"], parent=parent)
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


async def test_notifications_that_differ_from_what_happened_are_found(
    stack: Instance, load: Load
) -> None:
    liked = await post(load, "liked")
    boris = load.history.people[1]
    await load.api.write(boris, "POST", f"/api/tweets/{liked.id}/likes")
    load.history.like(boris.id, liked.id or 0).record(True, Outcome.done)
    assert await until_nothing(stack, load.history, load) == []

    environment = stack.service_environment("notifications")
    async with postgres.connect(environment) as connection:
        await connection.execute("update tweet set like_count = 7 where id = $1", liked.id)
        counted = await found(stack, load)
        await connection.execute("update tweet set like_count = 1 where id = $1", liked.id)
        await connection.execute(
            "delete from notification where kind = 'like' and subject_id = $1",
            liked.id,
        )
        lost = await found(stack, load)

    assert "wrong: the counts of notifications" in counted
    assert f"the notifications of {liked.author.name} lack {{('like', {liked.id}): 1}}" in lost


async def test_a_reply_that_is_counted_wrongly_or_out_of_reach_is_found(
    stack: Instance, load: Load
) -> None:
    question = await post(load, "a question")
    answer = await post(load, "an answer", question)
    assert await until_nothing(stack, load.history, load) == []

    async with postgres.connect(stack.database()) as connection:
        await connection.execute("delete from feed.reply where tweet_id = $1", answer.id)
        await connection.execute("update feed.tweet set reply_count = 2 where id = $1", question.id)

    findings = await found(stack, load)
    assert f"lost: reply {answer.id} is 0 times below {question.id}" in findings
    assert f"wrong: tweet {question.id} has 1 replies and counts 2" in findings


async def test_a_tweet_that_the_search_does_not_find_is_found_missing(
    stack: Instance, load: Load
) -> None:
    sought = await post(load, "sought")
    assert await until_nothing(stack, load.history, load) == []

    async with postgres.connect(stack.database()) as connection:
        await connection.execute("delete from feed.tweet_words where tweet_id = $1", sought.id)

    expected = f"the search for {sought.author.name} differs by {{{sought.id}}}"
    assert expected in await found(stack, load)


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
