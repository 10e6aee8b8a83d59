"""Profiles and the search for people."""

import asyncio
import re

from playwright.async_api import Route, expect

from tests.journeys.company import Company, until_readable

from .conftest import Opens


async def test_a_profile_with_its_lists(company: Company, opens: Opens, screen: str) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Боб Рэй")
    await bob.follow(ann)
    await until_readable(ann, await bob.post("from Bob"))
    window = await opens(ann, screen, f"/profile/{bob.id}")
    page = window.page

    main = page.get_by_role("main")
    listed = main.get_by_role("listitem")

    await expect(page.get_by_role("heading", name="Боб Рэй", exact=True)).to_be_visible()
    await expect(window.tweet("from Bob")).to_be_visible()
    await expect(page).to_have_title("Боб Рэй · Warble")
    # The list that is opened next contains the follow if it was acknowledged before.
    async with page.expect_response(re.compile("/follow$")):
        await main.get_by_role("button", name="Follow: Боб Рэй").click()
    await expect(page.get_by_role("link", name="1 follower", exact=True)).to_be_visible()
    await page.get_by_role("link", name="1 follower", exact=True).click()
    await expect(listed.filter(has_text="Ann Kim")).to_be_visible()
    await page.get_by_role("link", name="Following", exact=True).click()
    await expect(listed.filter(has_text="Ann Kim")).to_be_visible()
    async with page.expect_response(re.compile("/follow$")):
        await main.get_by_role("button", name="Following: Боб Рэй").click()
    await expect(page.get_by_role("link", name="0 followers", exact=True)).to_be_visible()

    assert (await ann.done("GET", f"/api/users/{bob.id}"))["user"]["follower_count"] == 0


async def test_a_follow_changes_the_feed_one_comes_back_to(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await bob.post("from Bob")
    window = await opens(ann, "phone")
    page = window.page

    await expect(page.get_by_text("Follow people to see")).to_be_visible()
    await page.goto(f"/profile/{bob.id}")
    # The feed that Home asks for contains the follow if the follow was acknowledged before.
    async with page.expect_response(re.compile("/follow$")):
        await page.get_by_role("main").get_by_role("button", name="Follow: Bob").click()
    await page.get_by_role("link", name="Home").click()

    await expect(window.tweet("from Bob")).to_be_visible()


async def test_a_refused_follow_is_taken_back_and_said(company: Company, opens: Opens) -> None:
    bob = await company.hire("Bob")
    window = await opens(await company.hire("Ann"), path=f"/profile/{bob.id}")
    page = window.page
    main = page.get_by_role("main")
    held: asyncio.Queue[Route] = asyncio.Queue()
    await page.route("**/follow", held.put)
    await main.get_by_role("button", name="Follow: Bob").click()
    await expect(main.get_by_role("button", name="Following: Bob")).to_be_visible()
    await expect(page.get_by_role("link", name="1 follower", exact=True)).to_be_visible()
    route = await held.get()
    await route.abort()

    await expect(main.get_by_role("button", name="Follow: Bob")).to_be_visible()
    await expect(page.get_by_role("link", name="0 followers", exact=True)).to_be_visible()
    await expect(page.get_by_text("Try again when you're connected")).to_be_visible()


async def test_people_are_found_while_one_types(company: Company, opens: Opens) -> None:
    await company.hire("Екатерина Длинная")
    window = await opens(await company.hire("Ann"), "phone", "/people")
    page = window.page
    field = page.get_by_role("main").get_by_role("searchbox", name="Find people by name")

    await field.press_sequentially("екатирина дл")
    found = page.get_by_role("main").get_by_role("listitem")
    await expect(found.filter(has_text="Екатерина Длинная").first).to_be_visible()
    await field.fill("qqqqq zzzzz")
    await expect(page.get_by_text("No one found for “qqqqq zzzzz”")).to_be_visible()


async def test_what_is_not_there_is_said_to_be_not_there(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), path="/profile/900000000")
    page = window.page

    await expect(page.get_by_text("Profile not found")).to_be_visible()
    await page.goto("/profile/0")
    await expect(page.get_by_text("Page not found")).to_be_visible()
    await page.goto("/some/where")
    await expect(page.get_by_text("Page not found")).to_be_visible()
    await page.get_by_role("link", name="Go to Home").click()

    await expect(page.get_by_text("Follow people to see")).to_be_visible()


async def test_where_nothing_is_there_is_one_way_on(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    window = await opens(ann)
    page = window.page
    main = page.get_by_role("main")
    empty = main.locator(".plain")

    for path, action in (
        ("/", "Show everyone's tweets"),
        (f"/profile/{ann.id}", "Write a tweet"),
        (f"/profile/{ann.id}/followers", "Write a tweet"),
        (f"/profile/{ann.id}/following", "Find people"),
        (f"/profile/{bob.id}", "Find people"),
    ):
        await page.goto(path)
        ways = empty.get_by_role("button").or_(empty.get_by_role("link"))
        await expect(ways).to_have_text([action])
        picture = await empty.locator("svg").bounding_box()
        assert picture is not None
        assert (picture["width"], picture["height"]) == (96, 96)
    await empty.get_by_role("link", name="Find people").click()
    await main.get_by_role("searchbox").fill("qqqqq zzzzz")
    await empty.get_by_role("button", name="Clear search").click()
    await expect(main.get_by_role("searchbox")).to_be_focused()
    await expect(main.get_by_role("searchbox")).to_have_value("")

    await expect(main.get_by_role("listitem").first).to_be_visible()
