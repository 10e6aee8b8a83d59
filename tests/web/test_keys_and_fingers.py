"""Keyboards of other layouts, fingers, and controls whose state is seen in every theme."""

import pytest
from playwright.async_api import expect

from tests.journeys.company import Company

from .conftest import Opens

_PRESS = """([key, code]) => document.body.dispatchEvent(
    new KeyboardEvent("keydown", { key, code, bubbles: true, cancelable: true })
)"""
_CONTRAST = """label => {
    const light = (element) => {
        const channels = getComputedStyle(element).backgroundColor.match(/\\d+/g).map(Number);
        const [r, g, b] = channels.map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    return (light(label) + 0.05) / (light(label.parentElement) + 0.05);
}"""
_SMALL = """() => [...document.querySelectorAll(
        "main :is(button, label:has(input)), main header a, nav button"
    )]
    .filter((element) => element.checkVisibility() && !element.closest("article header"))
    .map((element) => [element.outerHTML.slice(0, 90), element.getBoundingClientRect()])
    .filter(([, { width, height }]) => height < 43.9 || width < 43.9)
    .map(([html]) => html)"""


_COVERED = """() => [...document.querySelectorAll("main li button")]
    .map((button) => [button, button.getBoundingClientRect()])
    .filter(([, box]) => box.bottom <= document.querySelector("nav").getBoundingClientRect().top)
    .filter(([button, { left, right, top, bottom }]) => !button.contains(
        document.elementFromPoint((left + right) / 2, (top + bottom) / 2)))
    .map(([button]) => button.ariaLabel)"""


async def test_shortcuts_work_on_a_russian_keyboard(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("first")
    window = await opens(ann, locale="ru-RU")
    page = window.page
    await expect(window.tweet("first")).to_be_visible()

    await page.evaluate(_PRESS, ["о", "KeyJ"])
    await expect(window.tweet("first")).to_be_focused()
    # The key of the slash has the full stop there.
    await page.evaluate(_PRESS, [".", "Slash"])
    await expect(page.get_by_role("complementary").get_by_role("searchbox")).to_be_focused()
    await page.evaluate(_PRESS, ["т", "KeyN"])
    await expect(page.get_by_role("dialog")).to_be_visible()


async def test_enter_follows_the_link_that_has_the_focus(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("worth reading")
    window = await opens(ann)
    page = window.page

    await window.tweet("worth reading").get_by_role("link", name="Ann").last.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Ann", exact=True)).to_be_visible()
    await window.tweet("worth reading").focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="Thread")).to_be_visible()


async def test_the_focused_tweet_is_marked_in_the_colour_of_the_focus(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    await ann.post("first")
    window = await opens(ann, color_scheme="light")
    await expect(window.tweet("first")).to_be_visible()

    await window.page.keyboard.press("j")

    tweet = window.tweet("first")
    await expect(tweet).to_have_css("box-shadow", "rgb(28, 31, 26) 4px 0px 0px 0px inset")
    await expect(tweet).to_have_css("border-bottom-left-radius", "0px")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"forced_colors": "active"}])
async def test_the_chosen_segment_stands_out(
    company: Company, opens: Opens, options: dict[str, str]
) -> None:
    window = await opens(await company.hire("Ann"), **options)
    await window.page.get_by_role("button", name="Settings").click()
    chosen = window.page.get_by_role("dialog").locator("label:has(:checked)").first

    if "forced_colors" in options:
        await expect(chosen).to_have_css("outline-style", "solid")
    else:
        assert await chosen.evaluate(_CONTRAST) > 1.4


async def test_fingers_have_targets_of_44_pixels(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await bob.follow(ann)
    tweet_id = await ann.post("own")
    await ann.done("POST", f"/api/tweets/{tweet_id}/likes")
    window = await opens(ann, "phone")
    page = window.page
    small: dict[str, list[str]] = {}

    await expect(window.tweet("own")).to_be_visible()
    small["home"] = await page.evaluate(_SMALL)
    await page.goto("/people")
    await expect(page.get_by_role("main").get_by_role("listitem").first).to_be_visible()
    small["people"] = await page.evaluate(_SMALL)
    await page.goto(f"/profile/{bob.id}")
    await expect(page.get_by_role("main").get_by_role("button").first).to_be_visible()
    small["profile"] = await page.evaluate(_SMALL)

    assert {view: found for view, found in small.items() if found} == {}


@pytest.mark.parametrize("path", ["/", "/people"])
async def test_on_a_phone_write_is_at_hand_and_covers_no_button(
    company: Company, opens: Opens, path: str
) -> None:
    star = await company.hire("Star")
    await (await company.hire("Fan")).follow(star)
    window = await opens(await company.hire("Ann"), "narrow", path)
    page = window.page

    await expect(page.get_by_role("button", name="Write")).to_be_in_viewport(ratio=1)
    await expect(page.get_by_role("main").get_by_role("listitem").first).to_be_visible()

    assert await page.evaluate(_COVERED) == []


async def test_the_current_place_is_seen_without_colours_of_text(
    company: Company, opens: Opens, screen: str
) -> None:
    window = await opens(await company.hire("Ann"), screen, "/people")
    navigation = window.page.get_by_role("navigation", name="Main")
    people, home = (navigation.get_by_role("link", name=name) for name in ("People", "Home"))
    await expect(people).to_have_attribute("aria-current", "page")

    await expect(people.locator("svg")).not_to_have_css("fill", "none")
    await expect(home.locator("svg").last).to_have_css("fill", "none")
    await expect(navigation.get_by_text("People")).to_be_visible()
    await expect(navigation.get_by_role("link", name="Profile")).to_contain_text("A")


async def test_the_own_name_leads_to_the_settings_and_out(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann Kim"))
    page = window.page

    await page.get_by_role("button", name="Ann Kim", exact=True).click()
    await page.get_by_role("menuitem", name="Settings").click()
    await expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Ann Kim", exact=True).click()
    await page.get_by_role("menuitem", name="Sign out").click()

    await expect(page.get_by_label("Your access key")).to_be_visible()
