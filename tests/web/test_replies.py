"""Replying: where it is written, what becomes of the draft, and who may reply."""

import re
from typing import Any

from playwright.async_api import Locator, Route, expect

from tests.journeys.company import Company, Person, until, until_readable

from .conftest import Opens
from .test_look import axe
from .visitor import Visitor


async def thread_of(person: Person, tweet_id: int) -> dict[str, Any]:
    thread: dict[str, Any] = await person.done("GET", f"/api/tweets/{tweet_id}/thread")
    return thread


async def answers(window: Visitor, tweet: Locator, text: str) -> Locator:
    """The form in the dialog of a reply, filled in."""
    await tweet.get_by_role("button", name=re.compile("^Reply")).click()
    form = window.page.get_by_role("dialog").get_by_role("form", name="New reply")
    await form.get_by_role("textbox", name="Write a reply").fill(text)
    return form


async def test_a_reply_is_written_in_a_dialog_that_shows_what_is_answered(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    asked = await bob.post("Lunch at noon?")
    window = await opens(ann, screen)
    tweet = window.tweet("Lunch at noon?")

    form = await answers(window, tweet, "Yes!")
    await expect(window.page.get_by_role("dialog")).to_contain_text("Lunch at noon?")
    assert await axe(window.page) == []
    await form.get_by_role("button", name="Reply").click()
    await expect(window.page.get_by_text("Reply posted")).to_be_visible()

    await expect(tweet.get_by_role("button", name="Reply: 1 reply")).to_be_visible()
    (reply,) = (await thread_of(ann, asked))["replies"]
    assert (reply["content"], reply["reply_to"]) == ("Yes!", asked)


async def test_replies_in_a_thread_appear_at_their_place(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    top = await bob.post("Lunch at noon?")
    await until_readable(ann, top)
    window = await opens(ann, "phone", f"/tweets/{top}")
    page = window.page

    form = page.get_by_role("form", name="New reply")
    await form.get_by_role("textbox", name="Write a reply").fill("Where?")
    await form.get_by_role("button", name="Reply").click()
    await expect(page.get_by_role("article", name="Reply by Ann to Bob")).to_be_visible()
    await expect(form.get_by_role("textbox")).to_have_value("")
    inner = await answers(window, window.tweet("Where?"), "At the river?")
    await inner.get_by_role("button", name="Reply").click()

    await expect(page.get_by_role("article", name="Reply by Ann to Ann")).to_be_visible()
    counts = [tweet.get_by_role("button", name="Reply: 1 reply") for tweet in
              (window.tweet("Lunch at noon?"), window.tweet("Where?"))]  # fmt: skip
    for count in counts:
        await expect(count).to_be_visible()


async def test_each_tweet_has_a_draft_of_its_own_reply(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("first")
    await ann.post("second")
    window = await opens(ann)
    page = window.page

    await window.writes("a new tweet")
    await answers(window, window.tweet("first"), "to the first")
    await page.keyboard.press("Escape")
    await answers(window, window.tweet("second"), "to the second")
    await page.reload()
    await window.tweet("first").get_by_role("button", name="Reply").click()
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_have_value("to the first")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("textbox", name="What's new?")).to_have_value("a new tweet")
    await page.get_by_role("button", name="Settings").click()
    async with page.expect_navigation():
        await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Your access key")).to_be_visible()

    kept = await page.evaluate("Object.keys(localStorage).filter(key => /draft/.test(key)).length")
    assert kept <= 1, "the empty draft of a new tweet may stay"


async def test_a_reply_whose_answer_was_lost_is_not_posted_twice(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    top = await ann.post("the beginning")
    window = await opens(ann)
    tweet = window.tweet("the beginning")

    async def answer_lost(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    form = await answers(window, tweet, "once")
    await window.page.route("**/api/tweets", answer_lost, times=1)
    await form.get_by_role("button", name="Reply").click()
    await expect(form.get_by_role("alert")).to_contain_text("You're offline")
    # The server has counted the reply, and tells so before it is sent again.
    await expect(tweet.locator(".reply")).to_have_accessible_name("Reply: 1 reply")
    await form.get_by_role("button", name="Reply").click()
    await expect(window.page.get_by_text("Reply posted")).to_be_visible()

    assert len((await thread_of(ann, top))["replies"]) == 1
    await expect(tweet.get_by_role("button", name="Reply: 1 reply")).to_be_visible()


async def test_a_reply_that_is_not_accepted_says_why_and_keeps_the_draft(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    draft = {"tweet_data": "no replies, please", "replies": "nobody"}
    await bob.done("POST", "/api/tweets", json=draft)
    gone = await bob.post("soon gone")
    window = await opens(ann)
    page = window.page

    form = await answers(window, window.tweet("no replies"), "but")
    await form.get_by_role("button", name="Reply").click()
    await expect(form.get_by_role("alert")).to_contain_text("has limited who can reply")
    await expect(form.get_by_role("textbox")).to_have_value("but")
    await page.keyboard.press("Escape")
    form = await answers(window, window.tweet("soon gone"), "too late")
    await bob.done("DELETE", f"/api/tweets/{gone}")
    await form.get_by_role("button", name="Reply").click()

    await expect(form.get_by_role("alert")).to_contain_text("This tweet was deleted")
    await expect(form.get_by_role("textbox")).to_have_value("too late")


async def test_the_author_chooses_who_may_reply(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    window = await opens(ann)
    form = await window.writes("an announcement")

    await form.get_by_role("button", name="Who can reply: Everyone").click()
    await window.page.get_by_role("menuitemradio", name="Nobody").click()
    await expect(form.get_by_role("button", name="Who can reply: Nobody")).to_be_in_viewport()
    await window.posts(form)
    (tweet,) = await until(ann, lambda feed: len(feed) == 1)

    draft = {"tweet_data": "but", "reply_to": tweet["id"]}
    refused = await bob.ask("POST", "/api/tweets", json=draft)
    assert refused.json()["error_type"] == "RepliesRestricted"
    form = await window.writes()
    await expect(form.get_by_role("button", name="Who can reply: Everyone")).to_be_visible()


async def test_replying_by_keyboard(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("the beginning")
    window = await opens(ann)
    page = window.page

    await expect(window.tweets).to_have_count(1)
    await page.keyboard.press("j")
    await page.keyboard.press("r")
    await expect(page.get_by_role("dialog").get_by_role("textbox")).to_be_focused()
    await page.keyboard.type("with r and l in it")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(window.tweet("the beginning")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(window.tweet("with r and l in it")).to_be_visible()
    await page.keyboard.press("r")

    await expect(page.get_by_role("textbox", name="Write a reply")).to_be_focused()
