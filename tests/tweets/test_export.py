"""An exported list is complete however it is chunked, and contains only the person's own rows."""

import httpx
import pytest

from .test_api import posted, signed


async def export(tweets: httpx.AsyncClient, name: str, user_id: int) -> list[int]:
    response = await tweets.get(f"/internal/export/{name}", headers=signed(user_id))
    return [row.get("id") or row["tweet_id"] for row in response.json()]


@pytest.mark.parametrize("number", [0, 1, 3, 7])
async def test_a_list_is_complete_whatever_the_chunk_size(
    tweets: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("chassis.privacy.export.CHUNK_ROWS", 3)
    ann, boris = 3000 + number, 4000 + number
    tweet_ids = [await posted(tweets, ann) for _ in range(number)]
    for tweet_id in tweet_ids:
        await tweets.post(f"/api/tweets/{tweet_id}/likes", headers=signed(boris))

    assert await export(tweets, "tweets", ann) == await export(tweets, "likes", boris) == tweet_ids
    assert await export(tweets, "tweets", boris) == await export(tweets, "likes", ann) == []
