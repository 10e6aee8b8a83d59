"""The page of one tweet: what is above it, the replies below it, and tweets that are gone."""

import re

import pytest
from playwright.async_api import Route, expect

from tests.journeys.company import Company, until_readable

from .conftest import Opens
from .test_look import axe


@pytest.mark.parametrize("screen", ["wide", "phone"])
async def test_a_thread_is_read_as_a_tree(company: Company, opens: Opens, screen: str) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    top = await ann.post("the beginning")
    question = await bob.post("a question", reply_to=top)
    await bob.post("another question", reply_to=top)
    deep = await ann.post("an answer", reply_to=question)
    for number in range(3):
        deep = await bob.post(f"step {number}.", reply_to=deep)
    await ann.post("continued", reply_to=top)
    window = await opens(ann, screen, f"/tweets/{top}")
    page = window.page

    await expect(window.tweets).to_have_count(8)
    texts = [await tweet.locator("p").first.text_content() for tweet in await window.tweets.all()]
    boxes = [await tweet.bounding_box() for tweet in await window.tweets.all()]
    lefts = [box["x"] for box in boxes if box]

    assert texts == [
        "the beginning",
        "continued",
        "a question",
        "an answer",
        "step 0.",
        "step 1.",
        "step 2.",
        "another question",
    ]
    base = lefts[0]
    assert lefts[:3] == [base] * 3
    assert base < lefts[3] < lefts[4] < lefts[5] == lefts[6]
    assert lefts[7] == base
    await expect(page.get_by_role("article", name="Reply by Ann to Bob")).to_contain_text("answer")
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert await axe(page) == []


async def test_a_reply_is_opened_below_what_it_replies_to(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    top = await ann.post("the beginning" + "\nl" * 100)
    reply = await bob.post("a reply", reply_to=top)
    await until_readable(ann, reply)
    window = await opens(ann, path=f"/tweets/{reply}")
    shown = window.tweet("a reply")

    await expect(shown).to_be_visible()
    await expect(window.tweets.first).to_contain_text("the beginning")
    await expect(shown.locator("p").first).to_be_in_viewport()
    await expect(window.page).to_have_title(re.compile(r"^\(1\) Bob: a reply"))
    await expect(shown.get_by_text(re.compile(r"20\d\d"))).to_be_visible()


async def test_a_long_way_to_the_beginning_is_told(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    chain = [await ann.post("number 0.")]
    for number in range(1, 40):
        chain.append(await ann.post(f"number {number}.", reply_to=chain[-1]))
    window = await opens(ann, path=f"/tweets/{chain[-1]}")

    omitted = window.page.get_by_role("link", name=re.compile(r"^\d+ earlier repl"))
    above = await ann.done("GET", f"/api/tweets/{chain[-1]}/thread")
    assert above["omitted_ancestors"] > 0
    await expect(omitted).to_contain_text(str(above["omitted_ancestors"]))
    await omitted.click()

    await expect(window.page).to_have_url(re.compile(f"/{above['ancestors'][1]['id']}$"))


async def test_many_replies_come_page_by_page(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    top = await ann.post("many")
    for number in range(55):
        await ann.post(f"number {number}.", reply_to=top)
    window = await opens(ann, path=f"/tweets/{top}")

    await expect(window.tweets).to_have_count(51)
    await window.page.get_by_role("button", name="Show more replies").click()

    await expect(window.tweets).to_have_count(56)
    await expect(window.page.get_by_role("button", name="Show more replies")).to_have_count(0)


async def test_a_tweet_that_is_gone_leaves_its_place(company: Company, opens: Opens) -> None:
    ann, bob, eve = [await company.hire(name) for name in ("Ann", "Bob", "Eve")]
    top = await ann.post("the beginning")
    taken_back = await bob.post("taken back", reply_to=top)
    await ann.post("what do you mean?", reply_to=taken_back)
    left = await eve.post("from Eve", reply_to=top)
    await ann.post("why?", reply_to=left)
    await bob.done("DELETE", f"/api/tweets/{taken_back}")
    window = await opens(ann, path=f"/tweets/{top}")
    page = window.page

    await expect(window.tweets).to_have_count(4)
    await expect(page.get_by_text("This tweet was deleted.")).to_be_visible()
    await window.deletes(window.tweet("the beginning"))
    await expect(page.get_by_text("This tweet was deleted.")).to_have_count(2)
    await expect(window.tweet("what do you mean?")).to_be_visible()


async def test_a_tweet_that_cannot_be_shown_says_why(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    deleted = await ann.post("gone")
    await ann.done("DELETE", f"/api/tweets/{deleted}")
    there = await ann.post("there")
    window = await opens(ann, path=f"/tweets/{deleted}")
    page = window.page
    failing = True

    async def fails(route: Route) -> None:
        await (route.abort() if failing else route.continue_())

    await expect(page.get_by_role("heading", name="This tweet was deleted")).to_be_visible()
    assert await axe(page) == []
    await page.goto("/tweets/900000000000")
    await expect(page.get_by_role("heading", name="Tweet not found")).to_be_visible()
    await page.route("**/thread*", fails)
    await page.goto(f"/tweets/{there}")
    await expect(page.get_by_role("heading", name="Something went wrong")).to_be_visible()
    failing = False
    await page.get_by_role("button", name="Try again").click()

    await expect(window.tweet("there")).to_be_visible()


async def test_a_tweet_that_the_feed_does_not_have_yet_is_shown_soon(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    tweet_id = await ann.post("just posted")
    window = await opens(ann)
    unknown = {"result": False, "error_type": "TweetNotFound", "error_message": "Not found."}

    async def not_yet(route: Route) -> None:
        await route.fulfill(status=404, json=unknown)

    await window.page.route("**/thread*", not_yet, times=1)
    await window.page.goto(f"/tweets/{tweet_id}")

    await expect(window.page.get_by_role("heading", name="Tweet not found")).to_be_visible()
    await expect(window.tweet("just posted")).to_be_visible()


async def test_the_time_and_the_ground_of_a_card_lead_to_its_page_and_back(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    for number in range(12):
        await ann.post(f"number {number}.")
    window = await opens(ann, "phone")
    page = window.page
    read = window.tweet("number 2.")

    await read.scroll_into_view_if_needed()
    before = await window.scrolled()
    assert before > 0
    box = await read.bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + box["width"] - 30, box["y"] + 25)
    await expect(page.get_by_role("heading", name="Thread")).to_be_visible()
    await expect(window.tweets).to_have_count(1)
    await page.get_by_role("link", name="Back").click()
    await expect(window.tweets).to_have_count(12)
    assert abs(await window.scrolled() - before) < 2
    await read.get_by_role("link").filter(has=page.get_by_role("time")).click()
    await expect(window.tweets).to_have_count(1)
    await page.go_back()
    await read.get_by_role("button", name="Like").click()
    await expect(read.get_by_role("button", name="Unlike")).to_be_visible()
    await read.focus()
    await page.keyboard.press("Enter")

    await expect(page).to_have_url(re.compile(r"/tweets/\d+$"))
