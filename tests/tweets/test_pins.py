"""Pinned tweets: only one's own, three at most, and none that is deleted or hidden."""

import asyncio
from itertools import count

import httpx

from .test_api import posted, signed
from .test_moderation import hide, restore

_people = count(5000)


async def pin(tweets: httpx.AsyncClient, user_id: int, tweet_id: int) -> str:
    response = await tweets.put(f"/api/tweets/{tweet_id}/pin", headers=signed(user_id))
    return "pinned" if response.is_success else str(response.json()["error_type"])


async def pins(tweets: httpx.AsyncClient, user_id: int) -> list[int]:
    response = await tweets.get(f"/api/users/{user_id}/pins", headers=signed(1))
    ids: list[int] = response.json()["tweet_ids"]
    return ids


async def test_a_person_pins_up_to_three_own_tweets(tweets: httpx.AsyncClient) -> None:
    ann, boris = next(_people), next(_people)
    first, second, third, fourth = [await posted(tweets, ann) for _ in range(4)]

    answers = [await pin(tweets, ann, each) for each in (first, second, first, third, fourth)]
    of_another = await pin(tweets, boris, first)
    unknown = await pin(tweets, ann, 10**9)
    for _ in range(2):
        await tweets.delete(f"/api/tweets/{second}/pin", headers=signed(ann))
    after = await pin(tweets, ann, fourth)

    assert answers == [*["pinned"] * 4, "TooManyPins"]
    assert (of_another, unknown, after) == ("NotYourTweet", "TweetNotFound", "pinned")
    assert await pins(tweets, ann) == [fourth, third, first]


async def test_pins_made_at_the_same_moment_stay_within_the_limit(
    tweets: httpx.AsyncClient,
) -> None:
    ann = next(_people)
    tweet_ids = [await posted(tweets, ann) for _ in range(6)]

    answers = await asyncio.gather(*(pin(tweets, ann, each) for each in tweet_ids))

    assert answers.count("pinned") == len(await pins(tweets, ann)) == 3


async def test_deleted_and_hidden_tweets_are_not_pinned(tweets: httpx.AsyncClient) -> None:
    ann = next(_people)
    stays, deleted, hidden, another = [await posted(tweets, ann) for _ in range(4)]
    for tweet_id in (stays, deleted, hidden):
        await pin(tweets, ann, tweet_id)

    await tweets.delete(f"/api/tweets/{deleted}", headers=signed(ann))
    await hide(tweets, hidden)
    without = await pins(tweets, ann)
    again = await pin(tweets, ann, hidden)
    await pin(tweets, ann, another)
    await restore(tweets, hidden)

    assert (without, again) == ([stays], "TweetNotFound")
    assert await pins(tweets, ann) == [another, hidden, stays]
