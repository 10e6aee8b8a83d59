"""The page of a hashtag, the hashtags of the week, and the tabs of a profile."""

import re
import secrets
from urllib.parse import quote

from playwright.async_api import expect

from tests.journeys.company import Company, until, until_readable
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe


async def test_a_hashtag_leads_to_all_tweets_with_it(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    name = f"Релиз_{secrets.token_hex(4)}"
    liked = await bob.post(f"liked #{name}")
    latest = await bob.post(f"latest #{name.upper()}")
    await bob.done("POST", f"/api/tweets/{liked}/likes")
    await ann.post(f"see #{name}")
    for tweet_id in (liked, latest):
        await until_readable(ann, tweet_id)

    async def is_liked() -> bool:
        tweet = (await ann.done("GET", f"/api/tweets/{liked}"))["tweet"]
        return bool(tweet["like_count"] == 1)

    await eventually(is_liked)
    window = await opens(ann, "phone")
    page = window.page

    await window.tweet("see").get_by_role("link", name=f"#{name}").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(name, re.I))
    await expect(page).to_have_url(re.compile(quote(name.lower()) + "$"))
    await expect(window.tweets).to_have_count(3)
    await expect(window.tweets.first).to_contain_text("see")
    await page.get_by_role("tab", name="Popular").click()
    await expect(window.tweets.first).to_contain_text("liked")
    assert await axe(page) == []


async def test_a_followed_hashtag_brings_tweets_into_home(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    name = f"tag_{secrets.token_hex(4)}"
    await until_readable(ann, await bob.post(f"by a stranger #{name}"))
    window = await opens(ann, path=f"/tags/{name}")
    page = window.page

    await page.get_by_role("button", name=f"Follow: #{name}").click()
    await expect(page.get_by_role("button", name=f"Following: #{name}")).to_be_visible()
    await until(ann, lambda feed: feed, "?replies=conversations&order=recent&limit=10")
    await page.get_by_role("link", name="Home").click()
    await expect(window.tweets).to_have_count(1)
    await window.tweets.get_by_role("link", name=f"You follow #{name}").click()
    # The button changes before the answer, which a reload would abort.
    async with page.expect_response("**/api/tags/followed*"):
        await page.get_by_role("button", name=f"Following: #{name}").click()
    await page.reload()

    await expect(page.get_by_role("button", name=f"Follow: #{name}")).to_be_visible()


async def test_a_profile_lists_replies_pictures_and_likes(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    top = await ann.post("by Ann")
    await bob.done("POST", f"/api/tweets/{top}/likes")
    written = [
        await bob.post("a reply", reply_to=top),
        await bob.post("with a picture", [await bob.upload()]),
        await bob.post("words alone"),
    ]
    for tweet_id in written:
        await until_readable(ann, tweet_id)

    async def has_a_picture_and_a_like() -> bool:
        tweets = (await ann.done("GET", f"/api/users/{bob.id}/tweets?media=true"))["tweets"]
        likes = (await ann.done("GET", f"/api/users/{bob.id}/likes"))["tweets"]
        return len(tweets) == len(likes) == 1

    await eventually(has_a_picture_and_a_like)
    window = await opens(ann, screen, f"/profile/{bob.id}")
    page = window.page
    tabs = page.get_by_role("navigation", name="Profile")

    await expect(window.tweets).to_have_count(2)
    await tabs.get_by_role("link", name="Replies").click()
    await expect(window.tweets).to_have_count(3)
    await expect(window.tweet("a reply")).to_contain_text("In reply to Ann")
    await tabs.get_by_role("link", name="Media").click()
    await expect(window.tweets).to_have_count(1)
    await expect(window.tweets).to_contain_text("with a picture")
    await tabs.get_by_role("link", name="Likes").click()
    await expect(window.tweets).to_contain_text("by Ann")
    assert await axe(page) == []
    await page.reload()

    await expect(window.tweets).to_contain_text("by Ann")
    await expect(tabs.get_by_role("link", name="Likes")).to_have_attribute("aria-current", "page")
