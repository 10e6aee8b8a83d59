"""Announcements above Home, who has read them, and pinned tweets."""

import secrets

import pytest
from playwright.async_api import Locator, Page, expect

from tests.journeys.company import Company, with_role

from .conftest import Opens
from .test_look import axe


def above_home(page: Page, text: str) -> Locator:
    """The announcement: all people of the tests see those of the others, too."""
    return page.get_by_role("group", name="Announcement by").filter(has_text=text)


# Everybody in the system is notified of an announcement.
@pytest.mark.exclusive
async def test_an_announcement_is_read_confirmed_and_counted(
    company: Company, opens: Opens
) -> None:
    ann, bob = await with_role(company, "Ann Kim", "announcer"), await company.hire("Bob Ray")
    text = f"The office moves {secrets.token_hex(4)}"
    desk = (await opens(ann, "phone", "/administration")).page
    await desk.get_by_role("button", name="New announcement").click()
    dialog = desk.get_by_role("dialog", name="New announcement")
    await dialog.get_by_label("Text").fill(f"{text}\nPack your desk.")
    await dialog.get_by_text("Closed", exact=True).click()
    await dialog.get_by_label("Ask people to confirm").check()
    assert await axe(desk) == []
    await dialog.get_by_role("button", name="Post announcement").click()
    await expect(desk.get_by_text("Announcement posted")).to_be_visible()

    page = (await opens(bob, "phone")).page
    shown = above_home(page, text)
    await expect(shown).to_contain_text("Pack your desk.")
    assert await axe(page) == []
    async with page.expect_response("**/acknowledgement"):
        await shown.get_by_role("button", name="I have read this").click()
        await expect(shown.get_by_role("button", name="Show announcement")).to_be_visible()
        await expect(shown.get_by_text("Read", exact=True)).to_be_visible()
    await page.reload()
    await shown.get_by_role("button", name="Show announcement").click()
    await expect(shown.get_by_role("button", name="Hide announcement")).to_be_visible()
    await expect(shown.get_by_role("button", name="I have read this")).to_have_count(0)

    entry = desk.get_by_role("listitem").filter(has_text=text)
    await entry.get_by_role("link", name="Who has read it").click()
    await expect(desk.get_by_text("Read by 1 person")).to_be_visible()
    await desk.get_by_role("tab", name="Have read", exact=True).click()
    await expect(desk.get_by_role("listitem").filter(has_text="Bob Ray")).to_be_visible()
    assert await axe(desk) == []
    async with desk.expect_download() as download:
        await desk.get_by_role("link", name="Export").click()
    assert (await download.value).suggested_filename.endswith(".csv")
    await desk.get_by_role("button", name="Remind the others").click()
    await expect(desk.get_by_text("reminded")).to_be_visible()
    await desk.get_by_role("button", name="End now").click()
    await desk.get_by_role("button", name="End now").click()
    await expect(desk.get_by_text("Announcement ended")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    await expect(shown).to_have_count(0)


async def test_a_tweet_is_pinned_above_the_others(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann Kim")
    for text in ("the first one", "the second one"):
        await ann.post(text)
    window = await opens(ann, path=f"/profile/{ann.id}")
    page = window.page
    await window.tweet("the first one").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Pin to profile").click()
    pinned = page.get_by_role("region", name="Pinned")
    await expect(pinned).to_contain_text("the first one")
    assert await axe(page) == []

    reader = (await opens(await company.hire("Bob Ray"), path=f"/profile/{ann.id}")).page
    await expect(reader.get_by_role("region", name="Pinned")).to_contain_text("the first one")
    await pinned.get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Unpin from profile").click()
    await expect(pinned).to_have_count(0)
    await reader.reload()
    await expect(reader.get_by_text("the second one")).to_be_visible()
    await expect(reader.get_by_role("region", name="Pinned")).to_have_count(0)
