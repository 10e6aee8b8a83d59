"""Pictures on their way into a tweet: what stalls, is unfit or is dropped beside it."""

import base64
import re

from playwright.async_api import Route, expect

from tests.journeys.company import Company, png

from .conftest import Opens

_DROP = """(target, [encoded]) => {
    const held = new DataTransfer();
    const content = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
    held.items.add(new File([content], "a.png", { type: "image/png" }));
    const over = new DragEvent("dragover", { dataTransfer: held, bubbles: true, cancelable: true });
    const taken = !target.dispatchEvent(over);
    target.dispatchEvent(new DragEvent("drop", { dataTransfer: held, bubbles: true }));
    return taken;
}"""


async def test_an_upload_that_stalls_can_be_cancelled_and_is_given_up(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page
    held: list[Route] = []

    async def hold(route: Route) -> None:
        held.append(route)

    await page.clock.install()
    await page.reload()
    await page.route("**/api/medias", hold)
    form = await window.writes("with a picture")
    field = form.get_by_role("textbox").first
    await window.attaches(form, ("a.png", png()))
    await form.get_by_role("button", name="Post").click()
    await form.get_by_role("button", name="Cancel").click()
    await expect(form.get_by_role("button", name="Post")).to_be_enabled()
    await expect(form.get_by_role("alert")).to_have_count(0)
    await expect(field).to_be_editable()
    await form.get_by_role("button", name="Post").click()
    await expect(form.get_by_role("progressbar")).to_be_visible()
    await page.clock.run_for(31_000)
    await expect(form.get_by_role("alert")).to_be_visible()
    await expect(field).to_be_editable()
    await page.unroute("**/api/medias")
    await window.posts(form)

    (tweet,) = await ann.feed()
    assert len(tweet["media"]) == 1


async def test_a_file_that_is_no_picture_is_refused_when_it_is_attached(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    form = await window.writes("fake")

    await window.attaches(form, ("good.png", png()), ("fake.png", b"this is no picture"))

    await expect(form.get_by_role("alert")).to_contain_text("can't open this file as a picture")
    await expect(form.get_by_role("listitem")).to_have_count(1)


async def test_pictures_without_words_are_answered_at_the_text(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    form = await window.writes()

    await window.attaches(form, ("a.png", png()))
    await form.get_by_role("button", name="Post").click()

    await expect(form.get_by_role("alert")).to_be_visible()
    await expect(form.get_by_role("textbox").first).to_be_focused()


async def test_the_whole_window_takes_dropped_pictures(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), path="/people")
    page = window.page
    await expect(page.get_by_role("main")).to_be_visible()

    taken = await page.locator("body").evaluate(_DROP, [base64.b64encode(png()).decode()])

    assert taken
    pictures = page.get_by_role("dialog").get_by_role("listitem")
    await expect(pictures).to_have_count(1)


async def test_pictures_dropped_far_below_the_writer_are_seen(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    for number in range(12):
        await ann.post(f"number {number}.")
    window = await opens(ann)
    page = window.page
    await window.tweet("number 0.").scroll_into_view_if_needed()

    await page.locator("body").evaluate(_DROP, [base64.b64encode(png()).decode()])

    await expect(page.get_by_role("dialog").get_by_role("listitem")).to_be_in_viewport()


async def test_the_cross_on_a_picture_stays_visible_under_the_pointer(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"), color_scheme="light", reduced_motion="reduce")
    form = await window.writes()
    await window.attaches(form, ("a.png", png()), ("b.png", png()))
    cross = form.get_by_role("button", name="Remove picture 1")

    await cross.hover()

    await expect(cross).to_have_css("background-color", "rgb(13, 14, 12)")
    await expect(cross).to_have_css("color", "rgb(255, 255, 255)")
    await cross.click()
    await expect(form.get_by_role("listitem")).to_have_count(1)
    await expect(cross).to_be_focused()
    await cross.click()
    await expect(form.get_by_role("textbox").first).to_be_focused()


async def test_adding_pictures_is_offered_once(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"))
    form = await window.writes()

    await expect(form.get_by_label(re.compile("add pictures", re.I))).to_have_count(1)
