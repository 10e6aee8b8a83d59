"""Tabs and menus: one row on the smallest screen, the keyboard, and where the focus goes."""

from playwright.async_api import expect

from tests.journeys.company import Company, until

from .conftest import Opens


async def test_whose_tweets_and_their_order_are_one_row_on_the_smallest_screen(
    company: Company, opens: Opens
) -> None:
    for locale in ("en-GB", "ru-RU"):
        window = await opens(await company.hire("Ann"), "narrow", locale=locale)
        header = window.page.locator("main > header")

        await expect(header.get_by_role("tab")).to_have_count(2)
        parts = [*await header.get_by_role("tab").all(), header.get_by_role("button")]
        boxes = [await part.bounding_box() for part in parts]

        assert all(box is not None and box["height"] >= 44 for box in boxes)
        assert len({box["y"] for box in boxes if box is not None}) == 1
        for part in parts:
            await expect(part).to_be_in_viewport(ratio=1)


async def test_the_tabs_and_the_order_choose_the_feed(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    liked = await bob.post("liked by Ann")
    await ann.done("POST", f"/api/tweets/{liked}/likes")
    await bob.post("not liked")
    counts = {"liked by Ann": 1, "not liked": 0}
    await until(ann, lambda feed: {t["content"]: t["like_count"] for t in feed} == counts)
    window = await opens(ann, screen)
    page = window.page

    await expect(window.tweets.first).to_contain_text("not liked")
    await page.get_by_role("button", name="Sort by: Latest").click()
    await page.get_by_role("menuitemradio", name="Popular").click()
    await expect(window.tweets.first).to_contain_text("liked by Ann")
    await expect(page.get_by_role("button", name="Sort by: Popular")).to_be_focused()
    await page.get_by_role("tab", name="Following").press("ArrowRight")
    everyone = page.get_by_role("tab", name="Everyone")
    await expect(everyone).to_be_focused()
    await expect(everyone).to_have_attribute("aria-selected", "true")
    await page.get_by_role("button", name="Sort by: Popular").click()
    async with page.expect_request(
        lambda request: "scope=everyone" in request.url and "order=recent" in request.url
    ):
        await page.get_by_role("menuitemradio", name="Latest").click()

    await expect(window.tweets.first).to_be_visible()


async def test_a_menu_is_used_by_keyboard_and_gives_the_focus_back(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    # A Home that is not empty: below its one tweet a click meets nothing.
    await ann.post("one")
    window = await opens(ann)
    page = window.page
    button = page.get_by_role("button", name="Sort by: Latest")
    latest, popular = (
        page.get_by_role("menuitemradio", name=name) for name in ("Latest", "Popular")
    )

    await expect(window.tweet("one")).to_be_visible()
    await button.focus()
    await page.keyboard.press("ArrowDown")
    await expect(button).to_have_attribute("aria-expanded", "true")
    await expect(latest).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(popular).to_be_focused()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowDown")
    await expect(latest).to_be_focused()
    # The keys of the page are no keys of the menu.
    await page.keyboard.press("n")
    await expect(latest).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(latest).to_have_count(0)
    await expect(button).to_be_focused()
    await button.click()
    await expect(latest).to_be_focused()
    await page.mouse.click(10, 600)
    await expect(latest).to_have_count(0)
    await button.click()
    await expect(latest).to_be_focused()
    await button.click()

    await expect(latest).to_have_count(0)
    await expect(button).to_have_attribute("aria-expanded", "false")


async def test_the_chosen_tab_is_seen_where_all_colours_are_the_readers(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"), forced_colors="active")
    underline = "tab => getComputedStyle(tab).borderBottomColor"
    tabs = window.page.get_by_role("tab")

    await expect(tabs).to_have_count(2)
    assert await tabs.first.evaluate(underline) != await tabs.last.evaluate(underline)
