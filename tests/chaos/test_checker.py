"""The checker finds each kind of violation: the tests make the history differ from the system."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from devstack.instance import Instance
from operate import postgres
from tests.waiting import eventually
from tools.api_client import ATTEMPTS, api_of

from .absences import GRACE_SECONDS, Access
from .checker import Checker
from .history import History, Mark, Outcome, Tweet, Upload
from .load import Load, hired

pytestmark = pytest.mark.slow


@pytest.fixture
async def load(stack: Instance) -> AsyncIterator[Load]:
    async with hired(stack, "checker", people=2) as load:
        yield load


@pytest.fixture
async def load_with_moderator(stack: Instance) -> AsyncIterator[Load]:
    """The moderator does nothing: everybody in the system would be notified of announcements."""
    async with hired(stack, "checker", people=2, with_moderator=True) as load:
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


async def test_where_all_is_as_it_was_acknowledged_nothing_is_found(
    stack: Instance, load: Load
) -> None:
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
        show = "update notification set shown = $2 where kind = 'like' and subject_id = $1"
        await connection.execute(show, liked.id, False)
        lost = await found(stack, load)
        await connection.execute(show, liked.id, True)

    assert "wrong: the counts of notifications" in counted
    assert f"the notifications of {liked.author.name} lack {{('like', {liked.id}): 1}}" in lost


async def test_a_reply_that_is_counted_wrongly_or_out_of_reach_is_found(
    stack: Instance, load: Load
) -> None:
    question = await post(load, "a question")
    answer = await post(load, "an answer", question)
    assert await until_nothing(stack, load.history, load) == []

    count = "update feed.tweet set reply_count = $2 where id = $1"
    async with postgres.connect(stack.database()) as connection:
        await connection.execute(count, question.id, 2)
        async with without(stack, "reply", answer):
            findings = await found(stack, load)
        await connection.execute(count, question.id, 1)

    assert f"lost: reply {answer.id} is 0 times below {question.id}" in findings
    assert f"wrong: tweet {question.id} has 1 replies and counts 2" in findings


async def test_a_tweet_that_the_search_does_not_find_is_found_missing(
    stack: Instance, load: Load
) -> None:
    searched = await post(load, "searched")
    assert await until_nothing(stack, load.history, load) == []

    async with without(stack, "tweet_words", searched):
        findings = await found(stack, load)

    assert f"the search for {searched.author.name} differs by {{{searched.id}}}" in findings


async def test_a_tweet_that_is_there_twice_is_doubled(stack: Instance, load: Load) -> None:
    await post(load, "again")
    await post(load, "again")
    assert await until_there(load, 2)

    assert "doubled: 'again'" in await found(stack, load)


async def test_likes_and_follows_are_compared_with_what_was_acknowledged(
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


async def test_a_tagged_tweet_that_its_tag_does_not_list_is_found(
    stack: Instance, load: Load
) -> None:
    tagged = await post(load, f"tagged #{load.history.tag}")
    assert await until_nothing(stack, load.history, load) == []

    async with without(stack, "tweet_tag", tagged):
        findings = await found(stack, load)

    assert f"the list of the tag differs by {{{tagged.id}}}" in findings


async def test_what_was_hidden_or_restored_is_compared_with_what_was_acknowledged(
    stack: Instance, load_with_moderator: Load
) -> None:
    load = load_with_moderator
    moderator = load.history.moderator
    assert moderator is not None
    root = await post(load, "the root")
    shown, restored = await post(load, "shown", root), await post(load, "restored")
    assert await until_nothing(stack, load.history, load) == []

    shown.hidden.set = True
    findings = await found(stack, load)
    shown.decisions = 0
    body = {"reason": "spam", "note": ""}
    await load.api.write(moderator, "PUT", f"/api/tweets/{restored.id}/hidden", json=body)
    await until_found(stack, load, "lost: 'restored'")
    await load.api.write(moderator, "DELETE", f"/api/tweets/{restored.id}/hidden")
    restored.decisions = 2

    assert await until_nothing(stack, load.history, load) == []
    name = shown.author.name
    for where in ("the feed of everyone", f"the search for {name}", f"the profile of {name}"):
        assert f"appeared: 'shown', which is hidden, in {where}" in findings
    assert "wrong: the thread shows [(None, None)] for 'shown'" in findings


async def test_a_decision_of_which_the_author_is_not_notified_is_found(
    stack: Instance, load: Load
) -> None:
    tweet = await post(load, "hidden and restored")
    assert await until_nothing(stack, load.history, load) == []

    tweet.decisions = 2

    finding = f"{tweet.author.name} was notified 0 times that {tweet.id} was hidden or restored"
    assert finding in await found(stack, load)


async def test_a_deactivated_person_who_has_access_or_whose_tweets_are_read_is_found(
    stack: Instance, load: Load
) -> None:
    ann = (await post(load, "still read")).author
    assert await until_nothing(stack, load.history, load) == []

    load.history.deactivate(ann)
    findings = await found(stack, load)

    assert f"appeared: {ann.name}, who was deactivated, can call /api/users/me" in findings
    assert "appeared: 'still read', which is hidden, in the feed of everyone" in findings
    assert await until_nothing(stack, load.history, load) == []


async def test_a_call_that_succeeds_a_second_after_the_deactivation_is_found(
    stack: Instance, load: Load
) -> None:
    ann = load.history.people[0]
    async with api_of(stack) as api:
        access = Access(api, ann)
        access.ended_at = time.monotonic() - GRACE_SECONDS - 0.1

        await access.try_out("/api/users/me")

    assert f"appeared: {ann.name} could still call /api/users/me" in access.findings()[0]


async def test_pins_are_compared_with_what_was_acknowledged(stack: Instance, load: Load) -> None:
    pinned, unpinned = await post(load, "pinned"), await post(load, "unpinned")
    await load.api.write(pinned.author, "PUT", f"/api/tweets/{pinned.id}/pin")
    unpinned.pinned.set = True
    assert await until_there(load, 2)

    findings = await found(stack, load)

    name = pinned.author.name
    assert f"appeared: {name} pins tweet {pinned.id}" in findings
    assert f"lost: {name} pins tweet {unpinned.id}" in findings


async def test_announcements_and_confirmations_are_compared_with_what_was_acknowledged(
    stack: Instance, load: Load
) -> None:
    lost, announced = await post(load, "lost"), await post(load, "announced")
    boris = load.history.people[1]
    load.history.announcements += [lost, announced]
    assert announced.id is not None
    assert await until_there(load, 2)

    # Without the event, so that not everybody in the system is notified.
    insert = "insert into tweets.announcement values ($1, $2, $3, $4, true)"
    remove = "delete from tweets.{table} where tweet_id = $1"
    async with postgres.connect(stack.database()) as connection:
        now = datetime.now(UTC)
        until = now + timedelta(hours=1)
        await connection.execute(insert, announced.id, announced.author.id, now, until)
        await load.api.write(boris, "POST", f"/api/announcements/{announced.id}/acknowledgement")
        findings = await found(stack, load)
        load.history.confirmation(boris.id, announced.id).set = True
        await connection.execute(remove.format(table="acknowledgement"), announced.id)
        unconfirmed = await found(stack, load)
        await connection.execute(remove.format(table="announcement"), announced.id)

    assert f"lost: announcement {lost.id} is 0 times in the list" in findings
    assert f"announcement {announced.id}" not in findings
    assert f"appeared: {boris.name} has confirmed {announced.id}" in findings
    assert f"lost: {boris.name} has confirmed {announced.id}" in unconfirmed


@asynccontextmanager
async def without(stack: Instance, table: str, tweet: Tweet) -> AsyncIterator[None]:
    """Takes the tweet's rows out of a table of feed, and puts them back."""
    take = f"with taken as (delete from {table} where tweet_id = $1 returning *)"
    put_back = f"insert into {table} select * from json_populate_recordset(null::{table}, $1::json)"
    async with postgres.connect(stack.service_environment("feed")) as connection:
        rows = await connection.fetchval(f"{take} select json_agg(taken) from taken", tweet.id)
        assert rows
        try:
            yield
        finally:
            await connection.execute(put_back, rows)


async def until_found(stack: Instance, load: Load, finding: str) -> None:
    async def is_found() -> bool:
        return finding in await found(stack, load)

    await eventually(is_found)


async def until_there(load: Load, count: int) -> bool:
    ann = load.history.people[0]
    for _ in range(1_000):
        response = await load.api.read(ann, f"/api/users/{ann.id}/tweets")
        if len(response.body["tweets"]) == count:
            return True
    return False
