"""Following hashtags."""

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database
from services.tweets.commands import followed_tags

from .test_api import outbox, signed


async def follow(tweets: httpx.AsyncClient, user_id: int, tag: str) -> httpx.Response:
    return await tweets.post("/api/tags/followed", json={"tag": tag}, headers=signed(user_id))


async def test_all_spellings_follow_one_tag_and_only_changes_are_events(
    tweets: httpx.AsyncClient, database: Database
) -> None:
    for spelling in ("#Ёлка", "елка", "ЁЛКА"):
        assert (await follow(tweets, 1, spelling)).status_code == 200
    for _ in range(2):
        response = await tweets.delete("/api/tags/followed?tag=%23Елка", headers=signed(1))
        assert response.status_code == 200

    for key in ("tag.followed.v1", "tag.unfollowed.v1"):
        assert await outbox(database, key) == [{"user_id": 1, "tag": "елка"}]
    headers = testing.identity_headers("tweets", 1)
    assert (await tweets.get("/internal/export/tags", headers=headers)).text.strip() == "[]"


@pytest.mark.parametrize("tag", ["", "#", "2026", "two words", "a#b", "x" * 65, "a\u0000"])
async def test_what_is_no_tag_cannot_be_followed(tweets: httpx.AsyncClient, tag: str) -> None:
    response = await follow(tweets, 2, tag)
    assert (response.status_code, response.json()["error_type"]) == (422, "TagNotAccepted")


async def test_the_number_of_followed_tags_is_limited(
    tweets: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed_tags, "MAX_FOLLOWED_TAGS", 2)
    for tag in ("one", "two", "two"):
        assert (await follow(tweets, 3, tag)).status_code == 200
    assert (await follow(tweets, 3, "three")).json()["error_type"] == "TooManyTags"
