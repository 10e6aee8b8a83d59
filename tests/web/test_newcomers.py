"""The first visit of a person who is new."""

import re

import pytest
from playwright.async_api import expect

from tests.journeys.company import Company, until

from .conftest import Opens
from .test_look import axe


async def test_a_newcomer_is_led_through_three_steps_once(
    company: Company, opens: Opens, screen: str
) -> None:
    star, ann = await company.hire("Aaron Star"), await company.hire("Ann Newcomer")
    for number in range(3):
        await (await company.hire(f"Fan {number}")).follow(star)
    await star.post("by a star")
    window = await opens(ann, screen, newcomer=True)
    page = window.page
    dialog = page.get_by_role("dialog", name="Welcome, Ann Newcomer")

    await expect(dialog.get_by_text("Step 1 of 3")).to_be_visible()
    await expect(dialog.get_by_role("listitem").first).to_be_visible()
    assert await axe(page) == []
    follow = dialog.get_by_role("button", name="Follow", exact=False).first
    async with page.expect_response(re.compile("/follow$")):
        await follow.click()
    await dialog.get_by_role("button", name="Next").click()
    await expect(dialog.get_by_role("heading", name="Write your first tweet")).to_be_focused()
    assert await axe(page) == []
    await dialog.get_by_role("textbox", name="What's new?").fill("Hello from Ann")
    await dialog.get_by_role("button", name="Post").click()
    await expect(dialog.get_by_role("heading", name="Where to find help")).to_be_focused()
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Start reading").click()

    await expect(dialog).to_have_count(0)
    await expect(window.tweet("Hello from Ann")).to_be_visible()
    await expect(page.get_by_text("You don't follow anyone yet")).to_have_count(0)
    await page.reload()
    await expect(window.tweet("Hello from Ann")).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_the_steps_can_be_skipped_and_home_shows_everyone_and_says_why(
    company: Company, opens: Opens
) -> None:
    boris = await company.hire("Boris")
    await boris.post("from somebody she does not know")
    await until(boris, lambda feed: len(feed) == 1)
    window = await opens(await company.hire("Ann"), newcomer=True)
    page = window.page

    await page.get_by_role("dialog").get_by_role("button", name="Skip").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_text("You don't follow anyone yet")).to_be_visible()
    await expect(window.tweets.first).to_be_visible()
    await window.dialog_left_the_history()
    await page.reload()
    await expect(page.get_by_text("You don't follow anyone yet")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)

    await page.get_by_text("Following", exact=True).first.click()
    await expect(page.get_by_text("Follow people to see")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("Follow people to see")).to_be_visible()


@pytest.mark.parametrize("has", ["a tweet", "a follow"])
async def test_who_has_used_warble_is_not_led(company: Company, opens: Opens, has: str) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    await boris.post("from Boris")
    if has == "a tweet":
        await ann.post("from Ann")
    else:
        await ann.follow(boris)
    window = await opens(ann, newcomer=True)

    await expect(window.tweets.first).to_be_visible()
    await window.page.wait_for_load_state("networkidle")
    await expect(window.page.get_by_role("dialog")).to_have_count(0)


async def test_the_page_offers_no_new_name_where_administrators_give_names(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page
    response = await page.request.get("/api/users/me")
    me = {**await response.json(), "may_rename": False}
    await page.route("**/api/users/me", lambda route: route.fulfill(json=me))
    await page.goto(f"/profile/{ann.id}")

    await expect(page.get_by_role("heading", name="Ann", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="0 followers", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Edit profile").click()
    await expect(page.get_by_role("textbox", name="About yourself")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_count(0)
