"""Dialogs: room for the text, the browser's Back, and where the focus goes afterwards."""

import re

import pytest
from playwright.async_api import expect

from tests.journeys.company import Company, png

from .conftest import Opens

_HAS_ROOM = """field => field.clientHeight >= 2 * parseFloat(getComputedStyle(field).lineHeight)
    && field.scrollHeight <= field.clientHeight + 1"""


@pytest.mark.parametrize("draft", ["", "half a line of a longer thought " * 7])
async def test_the_writer_opens_with_room_for_the_whole_draft(
    company: Company, opens: Opens, screen: str, draft: str
) -> None:
    window = await opens(await company.hire("Ann"), screen)
    write = window.page.get_by_role("button", name="Write")
    field = window.page.get_by_role("dialog").get_by_role("textbox")

    await write.click()
    await field.fill(draft)
    await window.page.keyboard.press("Escape")
    await write.click()

    await expect(field).to_be_focused()
    assert await field.evaluate(_HAS_ROOM)


async def test_back_closes_a_dialog_and_leaves_the_page_under_it(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.post("pictured", [await ann.upload()])
    tweet_id = (await ann.feed_ids())[0]
    await bob.done("POST", f"/api/tweets/{tweet_id}/likes")
    window = await opens(ann, "phone")
    page = window.page
    dialog = page.get_by_role("dialog")
    tweet = window.tweet("pictured")
    opener = tweet.get_by_role("button", name=re.compile("picture", re.I))

    await tweet.get_by_role("link", name="Ann").click()
    await expect(page).to_have_url(re.compile(f"/profile/{ann.id}$"))
    await opener.click()
    await expect(dialog).to_be_visible()
    await page.go_back()
    await expect(dialog).to_have_count(0)
    await expect(page).to_have_url(re.compile(f"/profile/{ann.id}$"))
    await expect(opener).to_be_focused()
    # One that is closed in the page leaves nothing in the history.
    await opener.click()
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await window.dialog_left_the_history()
    await page.go_back()
    await expect(page).to_have_url(re.compile("[0-9]/$"))
    # A link out of a dialog takes the place of the dialog in the history.
    await tweet.get_by_role("button", name=re.compile("^(1 like|Liked by)")).click()
    await dialog.get_by_role("link", name="Bob").click()
    await expect(page).to_have_url(re.compile(f"/profile/{bob.id}$"))
    await page.go_back()

    await expect(page).to_have_url(re.compile("[0-9]/$"))
    await expect(tweet).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_the_focus_comes_back_through_two_dialogs(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    settings = page.get_by_role("button", name="Settings")

    await settings.click()
    await page.get_by_role("dialog").get_by_role("button", name="Keyboard shortcuts").click()
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(settings).to_be_focused()


async def test_on_a_phone_four_pictures_leave_post_on_the_screen(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"), "phone")
    form = await window.writes("four")

    await window.attaches(form, *((f"{n}.png", png(90, 200)) for n in range(4)))

    await expect(form.get_by_role("listitem")).to_have_count(4)
    post = await form.get_by_role("button", name="Post").bounding_box()
    assert post is not None
    assert post["y"] + post["height"] < 64
    for part in (*await form.get_by_role("listitem").all(), form.get_by_role("textbox").first):
        await expect(part).to_be_in_viewport(ratio=1)
    box = await window.page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert (box["y"], box["height"]) == (0, 844)
    await window.posts(form)


async def test_a_new_name_is_shown_everywhere_at_once(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("signed")
    window = await opens(ann)
    page = window.page

    await window.tweet("signed").get_by_role("link", name="Ann").click()
    await page.get_by_role("button", name="Edit profile").click()
    field = page.get_by_role("dialog").get_by_role("textbox", name="Name", exact=True)
    await expect(field).to_be_focused()
    await expect(field).to_have_accessible_description(re.compile("100"))
    await field.fill("Anna Kim")
    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("heading", name="Anna Kim", exact=True)).to_be_visible()
    await expect(window.tweet("signed").get_by_role("link", name="Anna Kim")).to_be_visible()
    await page.go_back()
    await expect(window.tweet("signed").get_by_role("link", name="Anna Kim")).to_be_visible()


async def test_a_dialog_that_cannot_be_fetched_says_so_and_leaves_the_page(
    company: Company, opens: Opens
) -> None:
    window = await opens(None)
    page = window.page
    ann = await company.hire("Ann")
    await page.route("**/assets/DialogBundle-*.js", lambda route: route.abort())
    await page.get_by_label("Your access key").fill(ann.key)
    await page.get_by_role("button", name="Sign in").click()

    await page.get_by_role("button", name="Settings").click()

    await expect(page.get_by_text("Something went wrong")).to_be_visible()
    await page.get_by_role("link", name="People").first.click()
    await expect(page).to_have_url(re.compile("/people$"))


async def test_a_link_clicked_while_a_closed_dialog_leaves_the_history_is_followed(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    await page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    await expect(dialog).to_be_visible()

    await dialog.evaluate(
        """(dialog) => {
            const link = document.querySelector("a[href='/people']");
            dialog.addEventListener("close", () => link.click());
            dialog.close();
        }"""
    )
    await expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
    await page.go_back()

    await expect(page).to_have_url(re.compile("[0-9]/$"))
    await expect(page.get_by_role("heading", name="Home")).to_be_visible()


async def test_a_finger_pulls_a_sheet_down(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), "phone", reduced_motion="reduce")
    page = window.page
    dialog = page.get_by_role("dialog", name="Settings")
    finger = await page.context.new_cdp_session(page)

    async def pulls(by: int) -> None:
        box = await dialog.get_by_role("heading", name="Settings").bounding_box()
        assert box is not None
        for kind, down in (("touchStart", 0), ("touchMove", by // 2), ("touchMove", by)):
            point = {"x": box["x"] + 100, "y": box["y"] + 10 + down}
            await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    await page.get_by_role("button", name="Settings").click()
    await expect(dialog).to_be_visible()
    before = await dialog.bounding_box()
    await pulls(40)
    await expect(dialog).to_have_css("translate", "none")
    assert await dialog.bounding_box() == before
    await pulls(200)

    await expect(dialog).to_have_count(0)


async def test_a_device_without_keys_is_told_nothing_of_keys(
    company: Company, opens: Opens, screen: str
) -> None:
    window = await opens(await company.hire("Ann"), screen)
    page = window.page

    await page.get_by_role("button", name="Settings").first.click()
    dialog = page.get_by_role("dialog", name="Settings")
    title = await dialog.get_by_role("heading", name="Settings").bounding_box()
    legend = await dialog.get_by_text("Appearance").bounding_box()

    await expect(dialog.get_by_text("Single-key shortcuts")).to_be_visible(visible=screen == "wide")
    assert title is not None
    assert legend is not None
    assert title["x"] == legend["x"]


async def test_the_right_column_leads_to_the_keys_the_api_and_about(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    beside = page.get_by_role("complementary")

    await beside.get_by_role("button", name="Keyboard shortcuts").click()
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await page.keyboard.press("Escape")
    await beside.get_by_role("button", name="About").click()
    about = page.get_by_role("dialog", name="About Warble")
    await expect(about.get_by_role("link", name="API")).to_have_attribute("href", "/docs")
    await page.keyboard.press("Escape")
    await beside.get_by_role("link", name="API").click()

    await expect(page).to_have_url(re.compile("/docs$"))
