"""A list that is read in pieces is whole, and one's own."""

import httpx
import pytest

from .test_api import posted, signed


async def export(tweets: httpx.AsyncClient, name: str, user_id: int) -> list[int]:
    answer = await tweets.get(f"/internal/export/{name}", headers=signed(user_id))
    return [row.get("id") or row["tweet_id"] for row in answer.json()]


@pytest.mark.parametrize("number", [0, 1, 3, 7])
async def test_a_list_is_whole_whatever_the_pieces(
    tweets: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("chassis.export.PIECE", 3)
    ann, boris = 3000 + number, 4000 + number
    tweet_ids = [await posted(tweets, ann) for _ in range(number)]
    for tweet_id in tweet_ids:
        await tweets.post(f"/api/tweets/{tweet_id}/likes", headers=signed(boris))

    assert await export(tweets, "tweets", ann) == await export(tweets, "likes", boris) == tweet_ids
    assert await export(tweets, "tweets", boris) == await export(tweets, "likes", ann) == []
