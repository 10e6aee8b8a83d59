"""Reading and liking in the feed: shown at once, and then confirmed by the server."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.journeys.company import Company, until
from tests.waiting import eventually

from .conftest import Opens
from .visitor import hold_response


@pytest.mark.parametrize("screen", ["wide", "phone"])
async def test_two_people_in_two_browsers(company: Company, opens: Opens, screen: str) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    await bob.follow(ann)
    anns = await opens(ann, screen)
    await anns.posts(await anns.writes("Look at this"))

    bobs = await opens(bob, screen)
    await bobs.tweet("Look at this").get_by_role("button", name="Like").click()
    await expect(bobs.tweet("Look at this").get_by_role("button", name="1 like")).to_be_visible()
    await until(ann, lambda feed: feed and feed[0]["likes"])
    await anns.page.reload()
    await anns.tweet("Look at this").get_by_role("button", name="1 like").click()
    liked_by = anns.page.get_by_role("dialog", name="Liked by")
    await liked_by.get_by_role("link", name="Bob Ray").click()

    await expect(liked_by).to_be_hidden()
    await expect(anns.page.get_by_role("heading", name="Bob Ray", exact=True)).to_be_visible()


async def test_a_refused_like_is_taken_back_and_said(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("likeable")
    window = await opens(ann)
    held: asyncio.Queue[Route] = asyncio.Queue()
    await window.page.route("**/likes", held.put)
    tweet = window.tweet("likeable")

    await tweet.get_by_role("button", name="Like").click()
    await expect(tweet.get_by_role("button", name="Unlike")).to_be_visible()
    await expect(tweet.get_by_role("button", name="1 like")).to_be_visible()
    route = await held.get()
    await route.fulfill(
        status=503,
        json={"result": False, "error_type": "ServiceUnavailable", "error_message": "Away."},
    )

    await expect(tweet.get_by_role("button", name="Like", exact=True)).to_be_visible()
    await expect(tweet.get_by_role("button", name="1 like")).to_be_hidden()
    await expect(window.page.get_by_role("status")).to_contain_text(["Part of Warble is down"])


async def test_the_last_of_many_clicks_is_what_the_server_has(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    await ann.post("clicked")
    window = await opens(ann)
    heart = window.tweet("clicked").locator("button.like")

    for _ in range(5):
        await heart.click()
    await expect(heart).to_contain_class("liked")

    async def is_liked() -> bool:
        return [tweet["liked"] for tweet in await ann.feed()] == [True]

    await eventually(is_liked)


async def test_a_like_is_not_undone_by_a_page_that_was_read_before_it(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    await ann.post("liked meanwhile")
    window = await opens(ann)
    page, tweet = window.page, window.tweet("liked meanwhile")
    await expect(tweet).to_be_visible()
    liked = asyncio.Event()

    feed = "**/api/tweets?*"
    await page.route(feed, hold_response(liked), times=1)
    async with page.expect_request(feed):
        await page.get_by_role("link", name="Home").click()
    async with page.expect_response("**/likes"):
        await tweet.get_by_role("button", name="Like", exact=True).click()
    async with page.expect_response(feed):
        liked.set()
    await window.has_handled_responses()

    await expect(tweet.get_by_role("button", name="Unlike")).to_be_visible()


async def test_a_tweet_is_deleted_by_its_author_alone(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("from Bob")
    await ann.post("to be gone")
    window = await opens(ann, "phone")
    page = window.page
    own = window.tweet("to be gone")

    others = window.tweet("from Bob")
    await others.get_by_role("button", name="More actions").click()
    await expect(page.get_by_role("menuitem", name="Mute thread")).to_be_visible()
    await expect(page.get_by_role("menuitem", name="Delete")).to_have_count(0)
    await page.keyboard.press("Escape")
    await page.route("**/api/tweets/*", lambda route: route.abort(), times=1)
    await window.deletes(own)
    await expect(own).to_have_count(0)
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_text("Try again when you're connected")).to_be_visible()
    await expect(own).to_be_visible()
    await window.deletes(own)
    # Closing this notice sends the deletion at once.
    notice = page.locator(".toast").filter(has_text="Tweet deleted")
    await notice.get_by_role("button", name="Close").click()
    await expect(own).to_have_count(0)

    await until(ann, lambda feed: [tweet["content"] for tweet in feed] == ["from Bob"])


async def test_a_deletion_can_be_undone_before_anything_is_sent(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    for number in range(2):
        await ann.post(f"number {number}.")
    window = await opens(ann)
    page = window.page
    own = window.tweet("number 1.")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))

    await window.deletes(own)
    await expect(own).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()

    await expect(own).to_be_focused()
    await expect(page.get_by_text("Tweet deleted")).to_have_count(0)
    await page.goto("/people")
    assert "DELETE" not in sent
    assert len(await ann.feed()) == 2


@pytest.mark.parametrize("how", ["another page", "signing out"])
async def test_a_tweet_is_deleted_although_the_page_is_left_at_once(
    company: Company, opens: Opens, how: str
) -> None:
    ann = await company.hire("Ann")
    await ann.post("gone")
    window = await opens(ann)
    page = window.page

    await window.deletes(window.tweet("gone"))
    await expect(window.tweets).to_have_count(0)
    if how == "another page":
        await page.goto("about:blank")
    else:
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Your access key")).to_be_visible()

    await until(ann, lambda feed: feed == [])


async def test_the_scroll_is_endless_and_keeps_its_place(
    company: Company, opens: Opens, screen: str
) -> None:
    ann = await company.hire("Ann")
    for number in range(70):
        await ann.post(f"number {number}.")
    window = await opens(ann, screen)
    page = window.page

    await expect(window.tweet("number 69.")).to_be_visible()
    while not await window.tweet("number 5.").count():
        await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await window.tweet("number 20.").scroll_into_view_if_needed()
    before = await window.scrolled()
    await window.tweet("number 20.").get_by_role("link", name="Ann").last.click()
    await expect(page.get_by_role("heading", name="Ann", exact=True)).to_be_visible()
    assert await window.scrolled() == 0
    await page.go_back()

    await expect(window.tweet("number 20.")).to_be_in_viewport()
    assert abs(await window.scrolled() - before) < 2
    assert await window.tweets.count() >= 60


async def test_an_empty_feed_says_whom_to_follow(company: Company, opens: Opens) -> None:
    star = await company.hire("Aaron Star")
    for number in range(3):
        await (await company.hire(f"Fan {number}")).follow(star)
    await star.post("by a star")
    window = await opens(await company.hire("Ann"))
    page = window.page

    suggested = page.get_by_role("main").get_by_role("listitem")
    await expect(page.get_by_text("Follow people to see")).to_be_visible()
    await suggested.first.get_by_role("button", name="Follow").click()
    await expect(suggested.first.get_by_role("button", name="Following")).to_be_visible()


async def test_what_is_seen_while_offline_says_so(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("kept")
    window = await opens(ann)
    page = window.page

    await expect(window.tweet("kept")).to_be_visible()
    await page.context.set_offline(True)
    await expect(page.get_by_text("What you see may be out of date")).to_be_visible()
    await page.get_by_role("link", name="People").first.click()
    await expect(page.get_by_text("Try again when you're connected")).to_be_visible()
    await page.context.set_offline(False)

    await expect(page.get_by_role("main").get_by_role("listitem").first).to_be_visible()
    await expect(page.get_by_text("What you see may be out of date")).to_be_hidden()
