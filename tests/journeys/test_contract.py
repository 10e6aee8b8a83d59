"""Every operation of the contract through the gateway, with its errors."""

from typing import Any

import httpx
import pytest

from tests.waiting import PATIENCE_SECONDS, eventually

from .company import Company, Person, png, until, until_gone, until_status

ODD_IDS = ["0", "-1", "abc", "99999999999999999999"]


def error(response: httpx.Response) -> tuple[int, str]:
    """Checks the shape of an error response; returns its status and `error_type`."""
    body = response.json()
    assert body.keys() - {"error_details"} == {"result", "error_type", "error_message"}, body
    assert body["result"] is False
    assert body["error_message"].endswith("."), body
    return response.status_code, body["error_type"]


async def test_a_tweet_with_pictures_reaches_the_followers_and_goes_with_all_that_it_has(
    company: Company,
) -> None:
    ann, boris = await company.hire("Анна Ким"), await company.hire("Boris Gray")
    await boris.follow(ann)
    media_ids = [await ann.upload(alt="Вход"), await ann.upload(png(90, 1500))]
    tweet_id = await ann.post("Готово: открыто! 🎉", media_ids)
    await ann.done("POST", f"/api/tweets/{tweet_id}/likes")

    (tweet,) = await until(boris, lambda feed: bool(feed) and feed[0]["like_count"] == 1)

    assert tweet["id"] == tweet_id
    assert tweet["content"] == "Готово: открыто! 🎉"
    assert tweet["author"] == {"id": ann.id, "name": "Анна Ким"}
    assert tweet["likes"] == [{"user_id": ann.id, "name": "Анна Ким"}]
    assert (tweet["like_count"], tweet["liked"]) == (1, False)
    assert tweet["created_at"] == tweet["stamp"]
    assert [media["url"] for media in tweet["media"]] == tweet["attachments"]
    shown = [(media["width"], media["height"], media["alt"]) for media in tweet["media"]]
    assert shown == [(40, 30, "Вход"), (90, 1500, "")]
    kinds = {media["url"]: "image/png" for media in tweet["media"]}
    kinds |= {media["thumbnail"]: "image/webp" for media in tweet["media"]}
    assert len(kinds) == 4
    for path, kind in kinds.items():
        picture = await company.http.get(path)
        assert picture.headers["content-type"] == kind
        assert picture.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in picture.headers["cache-control"]
        etag = {"if-none-match": picture.headers["etag"]}
        assert (await company.http.get(path, headers=etag)).status_code == 304
        part = await company.http.get(path, headers={"range": "bytes=0-9"})
        assert (part.status_code, part.content) == (206, picture.content[:10])

    assert (await ann.done("DELETE", f"/api/tweets/{tweet_id}")) == {"result": True}
    await until(boris, lambda feed: feed == [])
    for path in kinds:
        await until_gone(company, path)


async def test_following_shows_on_the_profiles(company: Company) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    for _ in range(2):
        assert await ann.done("POST", f"/api/users/{boris.id}/follow") == {"result": True}

    me = (await ann.done("GET", "/api/users/me"))["user"]
    him = (await ann.done("GET", f"/api/users/{boris.id}"))["user"]
    followers = await ann.done("GET", f"/api/users/{boris.id}/followers")

    assert me["following"] == [{"id": boris.id, "name": "Boris"}]
    assert him["followed"]
    assert him["followers"] == [{"id": ann.id, "name": "Ann"}]
    assert followers["users"] == [{"id": ann.id, "name": "Ann", "followed": False}]
    for _ in range(2):
        assert await ann.done("DELETE", f"/api/users/{boris.id}/follow") == {"result": True}
    assert (await ann.done("GET", "/api/users/me"))["user"]["following_count"] == 0


async def test_a_session_does_for_the_page_what_the_key_does_and_ends_with_it(
    company: Company,
) -> None:
    ann = await company.hire("Ann")
    ours = {"origin": company.instance.gateway_url}
    url = company.instance.gateway_url
    async with httpx.AsyncClient(base_url=url, headers=ours, timeout=PATIENCE_SECONDS) as browser:
        signed_in = await browser.post("/api/session", json={"api_key": ann.key})
        posted = await browser.post("/api/tweets", json={"tweet_data": "From the page"})
        read = await browser.get("/api/tweets")
        forged = await browser.post(
            "/api/tweets", json={"tweet_data": "From elsewhere"}, headers={"origin": "http://evil"}
        )

        assert signed_in.json() == {"result": True, "user_id": ann.id, "administrator": False}
        assert [tweet["id"] for tweet in read.json()["tweets"]] == [posted.json()["tweet_id"]]
        assert error(forged) == (403, "CrossSiteRequest")
        await company.administrator.done("DELETE", f"/api/users/{ann.id}/key")

        async def refusal() -> httpx.Response | None:
            response = await browser.get("/api/users/me")
            return None if response.is_success else response

        assert error(await eventually(refusal)) == (401, "NotSignedIn")


async def test_liking_is_idempotent(company: Company) -> None:
    ann = await company.hire("Ann")
    tweet_id = await ann.post()
    for method, count in (("POST", 1), ("DELETE", 0)):
        for _ in range(2):
            path = f"/api/tweets/{tweet_id}/likes"
            assert await ann.done(method, path) == {"result": True}

        assert (await ann.feed())[0]["like_count"] == count


async def test_a_persons_tweets_are_listed_newest_first(company: Company) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    tweet_ids = [await ann.post(f"number {number}") for number in range(5)]

    async def are_listed() -> bool:
        page = await boris.done("GET", f"/api/users/{ann.id}/tweets?limit=5")
        return [tweet["id"] for tweet in page["tweets"]] == tweet_ids[::-1]

    await eventually(are_listed)
    first = await boris.done("GET", f"/api/users/{ann.id}/tweets?limit=3")
    rest = await boris.done(
        "GET", f"/api/users/{ann.id}/tweets?limit=3&cursor={first['next_cursor']}"
    )

    listed = [tweet["id"] for tweet in first["tweets"] + rest["tweets"]]
    assert listed == tweet_ids[::-1]
    assert rest["next_cursor"] is None


async def test_people_are_found_by_name(company: Company) -> None:
    zoe = await company.hire("Зоя Ненаходимова")

    found = await zoe.done("GET", "/api/users", params={"query": "НЕНАХОДИМАВА"})

    assert {"id": zoe.id, "name": zoe.name, "followed": False} in found["users"]


async def test_what_is_not_there_is_not_found(company: Company) -> None:
    ann = await company.hire("Ann")
    calls = {
        ("DELETE", "/api/tweets/900000000"): "TweetNotFound",
        ("POST", "/api/tweets/900000000/likes"): "TweetNotFound",
        ("DELETE", "/api/tweets/900000000/likes"): "TweetNotFound",
        ("POST", "/api/users/900000000/follow"): "UserNotFound",
        ("DELETE", "/api/users/900000000/follow"): "UserNotFound",
        ("GET", "/api/users/900000000"): "UserNotFound",
        ("GET", "/api/users/900000000/followers"): "UserNotFound",
        ("GET", "/uploads/none.png"): "MediaNotFound",
        ("GET", "/api/nothing"): "NotFound",
        ("GET", "/api"): "NotFound",
        ("GET", "/api/users/1/2/3"): "NotFound",
        ("GET", "/api/internal/media"): "NotFound",
    }
    for (method, path), name in calls.items():
        assert error(await ann.ask(method, path)) == (404, name), path


async def test_what_cannot_be_twice_is_a_conflict(company: Company) -> None:
    ann = await company.hire("Ann")
    media_id = await ann.upload()
    await ann.post("first", [media_id])

    draft = {"tweet_data": "second", "tweet_media_ids": [media_id]}
    again = await ann.ask("POST", "/api/tweets", json=draft)
    missing = await ann.ask(
        "POST", "/api/tweets", json={"tweet_data": "third", "tweet_media_ids": [900_000_000]}
    )
    oneself = await ann.ask("POST", f"/api/users/{ann.id}/follow")

    assert error(again) == (409, "MediaTaken")
    assert error(missing) == (404, "MediaNotFound")
    assert error(oneself) == (409, "CannotFollowYourself")
    assert [tweet["content"] for tweet in await ann.feed()] == ["first"]


@pytest.mark.parametrize("id", ODD_IDS)
async def test_an_id_that_cannot_be_one_is_refused(company: Company, id: str) -> None:
    ann = await company.hire("Ann")
    for method, path in (
        ("DELETE", f"/api/tweets/{id}"),
        ("POST", f"/api/tweets/{id}/likes"),
        ("DELETE", f"/api/tweets/{id}/likes"),
        ("POST", f"/api/users/{id}/follow"),
        ("DELETE", f"/api/users/{id}/follow"),
        ("GET", f"/api/users/{id}"),
        ("GET", f"/api/users/{id}/tweets"),
        ("GET", f"/api/users/{id}/following"),
    ):
        assert error(await ann.ask(method, path)) == (422, "InvalidRequest"), path


async def test_an_upload_that_is_no_picture_of_ours_is_refused(company: Company) -> None:
    ann = await company.hire("Ann")

    async def upload(**files: Any) -> tuple[int, str]:
        return error(await ann.ask("POST", "/api/medias", files=files))

    assert await upload(file=("a.png", b"<svg/>", "image/png")) == (415, "ImageNotAccepted")
    assert await upload(file=("a.png", png()[:100], "image/png")) == (415, "ImageNotAccepted")
    assert await upload(other=("a.png", png(), "image/png")) == (422, "InvalidRequest")
    assert error(await ann.ask("POST", "/api/medias")) == (422, "InvalidRequest")
    assert await upload(file=("a.png", bytes(12_000_000), "image/png")) == (413, "PayloadTooLarge")
    assert await upload(file=("a.png", bytes(10_020_000), "image/png")) == (413, "ImageTooLarge")


async def test_a_large_json_body_is_refused(company: Company) -> None:
    ann = await company.hire("Ann")

    response = await ann.ask("POST", "/api/tweets", json={"tweet_data": "x" * 100_000})

    assert error(response) == (413, "PayloadTooLarge")


async def test_a_revoked_key_and_a_deactivated_persons_key_are_refused(company: Company) -> None:
    for method, path in (("DELETE", "/api/users/{}/key"), ("DELETE", "/api/users/{}")):
        ann = await company.hire("Ann")
        await ann.done("GET", "/api/users/me")
        await company.administrator.done(method, path.format(ann.id))

        refused = await until_status(ann, "GET", "/api/users/me", 401)

        assert error(refused) == (401, "NotSignedIn")


async def test_a_change_of_role_takes_effect_on_a_persons_keys_and_leaves_them_valid(
    company: Company,
) -> None:
    ann = await company.hire("Ann")
    for method, audit_status in (("PUT", 200), ("DELETE", 403)):
        # The gateway caches the key's owner and role, as they are before the change.
        await ann.done("GET", "/api/users/me")
        await company.administrator.done(method, f"/api/users/{ann.id}/administrator")

        await until_status(ann, "GET", "/api/audit?limit=1", audit_status)
    await ann.done("GET", "/api/users/me")


async def test_a_rotated_key_works_at_once(company: Company) -> None:
    ann = await company.hire("Ann")

    rotated = await company.administrator.done("POST", f"/api/users/{ann.id}/key")

    renewed = Person(ann.id, ann.name, rotated["api_key"], company.http)
    assert (await renewed.done("GET", "/api/users/me"))["user"]["id"] == ann.id
