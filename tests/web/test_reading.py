"""Reading day after day: what is on top, what is fresh, and how lists of tweets and people look."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, Route, expect

from tests.journeys.company import Company, png, until

from .conftest import Opens


async def test_ones_own_new_tweet_is_on_top_after_a_reload(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    liked = await bob.post("liked")
    await ann.done("POST", f"/api/tweets/{liked}/likes")
    window = await opens(ann)
    await expect(window.tweet("liked")).to_be_visible()
    await window.posts(await window.writes("just now"))

    await window.page.reload()

    await expect(window.tweets.first).to_contain_text("just now")


async def test_a_follow_out_of_the_empty_feed_leads_to_the_feed(
    company: Company, opens: Opens
) -> None:
    star = await company.hire("Star")
    for number in range(3):
        await (await company.hire(f"Fan {number}")).follow(star)
    await star.post("by a star")
    window = await opens(await company.hire("Ann"), "phone")
    main = window.page.get_by_role("main")
    feed = main.get_by_role("button", name="Show my feed")

    await expect(main.get_by_role("button", name=re.compile("^Follow: ")).first).to_be_visible()
    await expect(feed).to_have_count(0)
    beside = window.page.get_by_role("complementary")
    await expect(beside.get_by_role("button", name=re.compile("^Follow: "))).to_have_count(0)
    async with window.page.expect_response(re.compile("/follow$")):
        await main.get_by_role("button", name=re.compile("^Follow: ")).first.click()
    await feed.click()
    await main.get_by_role("button", name="everyone").or_(window.tweets.first).first.click()

    await expect(window.tweets.first).to_be_visible()


async def test_what_is_opened_again_is_fresh(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("first")
    window = await opens(ann)
    page = window.page
    home = page.get_by_role("link", name="Home")
    announced = page.get_by_role("button", name="1 new tweet")

    await window.tweet("first").get_by_role("link", name="Bob").click()
    await expect(page).to_have_title(re.compile("Bob"))
    await expect(window.tweet("first")).to_be_visible()
    await bob.post("second")
    await until(ann, lambda feed: len(feed) == 2)
    await home.click()
    await expect(announced).to_be_visible()
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    await window.tweet("first").get_by_role("link", name="Bob").click()
    await expect(window.tweet("second")).to_be_visible()
    await home.click()
    await announced.click()
    await expect(window.tweet("second")).to_be_focused()
    await bob.post("third")
    await until(ann, lambda feed: len(feed) == 3)
    await home.click()

    await expect(window.tweets.first).to_contain_text("third")


async def test_after_a_deletion_the_next_tweet_has_the_focus(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    for number in range(3):
        await ann.post(f"number {number}.")
    window = await opens(ann)

    await window.deletes(window.tweet("number 1."))
    await expect(window.tweet("number 1.")).to_have_count(0)
    await expect(window.tweet("number 0.")).to_be_focused()
    form = await window.writes("one more")
    await window.posts(form)

    await expect(form.get_by_role("textbox").first).to_be_focused()


async def test_a_like_says_its_state_once(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("likeable")
    window = await opens(ann)
    heart = window.tweet("likeable").locator("button.like")

    await expect(heart).to_have_accessible_name("Like")
    await heart.click()

    await expect(heart).not_to_have_accessible_name("Like")
    assert await heart.get_attribute("aria-pressed") is None


async def test_a_followed_person_is_unfollowed_by_a_button_that_says_so(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    window = await opens(ann, path=f"/profile/{bob.id}")
    main = window.page.get_by_role("main")
    warning = main.get_by_text(re.compile("^(unfollow|stop following)$", re.I))

    await main.get_by_role("button", name="Follow: Bob").click()
    await expect(main.get_by_role("button", name="Following: Bob")).to_be_visible()
    await expect(warning).to_be_hidden()
    await window.page.mouse.move(0, 0)
    await main.get_by_role("button", name="Following: Bob").hover()

    await expect(warning).to_be_visible()


async def test_a_high_picture_has_four_round_corners(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("high", [await ann.upload(png(900, 1200))])
    await ann.post("tiny", [await ann.upload(png(20, 20))])
    window = await opens(ann)
    picture = window.tweet("high").locator("button img")
    await expect(picture).to_have_js_property("complete", True)

    corners = await picture.evaluate("""image => {
        image.scrollIntoView({ block: "center", behavior: "instant" });
        const { left, right, top, bottom } = image.getBoundingClientRect();
        return [[left, top], [right, top], [left, bottom], [right, bottom]].map(([x, y]) =>
            document.elementFromPoint(x + (x === left ? 1 : -1), y + (y === top ? 1 : -1)) === image
        );
    }""")

    assert corners == [False] * 4
    tiny = await window.tweet("tiny").locator("button img").bounding_box()
    assert tiny is not None
    assert tiny["width"] <= 48


async def test_a_name_is_one_line_beside_its_button(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Екатерина Администраторова")
    await bob.follow(ann)
    window = await opens(ann, "narrow", f"/profile/{ann.id}/followers", locale="ru-RU")
    row = window.page.get_by_role("main").get_by_role("listitem").filter(has_text="Екатерина")

    name = await row.get_by_text("Екатерина").bounding_box()
    button = await row.get_by_role("button").bounding_box()

    assert name is not None
    assert button is not None
    assert name["height"] < 30
    assert name["width"] > 120
    assert button["x"] + button["width"] <= 320


async def test_a_name_from_right_to_left_stands_beside_the_portrait(
    company: Company, opens: Opens
) -> None:
    mona = await company.hire("منى حداد")
    window = await opens(await company.hire("Ann"), path=f"/profile/{mona.id}")
    page = window.page

    start: float = await page.get_by_role("heading", name="منى حداد", exact=True).evaluate(
        """heading => {
            const text = document.createRange();
            text.selectNodeContents(heading);
            return text.getBoundingClientRect().left;
        }"""
    )
    counts = page.get_by_role("main").get_by_role("link", name="0 followers", exact=True)
    box = await counts.bounding_box()

    assert box is not None
    assert abs(start - box["x"]) < 3


async def test_people_found_are_shown_under_the_search_beside_the_feed(
    company: Company, opens: Opens
) -> None:
    await company.hire("Severin Quill")
    window = await opens(await company.hire("Ann"))
    beside = window.page.get_by_role("complementary")

    await beside.get_by_role("searchbox").press_sequentially("severin qu")
    await beside.get_by_role("link", name="Severin Quill").first.click()

    await expect(window.page).to_have_title(re.compile("Severin Quill"))
    await expect(beside.get_by_role("searchbox")).to_have_value("")


async def test_a_search_is_no_longer_than_a_name(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), path="/people")
    field = window.page.get_by_role("main").get_by_role("searchbox")

    await field.focus()
    await window.page.keyboard.insert_text("z" * 150)

    await expect(field).to_have_value("z" * 100)


async def test_a_list_that_failed_is_fetched_when_the_connection_is_back(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    people = page.get_by_role("main").get_by_role("listitem")
    await expect(page.get_by_role("main")).to_be_visible()

    await page.context.set_offline(True)
    await page.get_by_role("link", name="People").first.click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.context.set_offline(False)

    await expect(people.first).to_be_visible()


async def test_the_first_bytes_show_something_and_the_feed_is_asked_for_at_once(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    await ann.post("kept")
    window = await opens(ann)
    page = window.page
    await expect(window.tweet("kept")).to_be_visible()
    scripts: list[Route] = []
    who: asyncio.Queue[Route] = asyncio.Queue()

    async def hold(route: Route) -> None:
        scripts.append(route)

    await page.route("**/assets/*.js", hold)
    await page.route("**/api/users/me", who.put)
    await page.reload(wait_until="commit")
    await expect(page.locator("#boot svg")).to_be_visible()
    async with page.expect_request(re.compile("/api/tweets")):
        await _let_pass(page, scripts)
    await (await who.get()).continue_()

    await expect(window.tweet("kept")).to_be_visible()
    await expect(page.locator("#boot")).to_have_count(0)


async def _let_pass(page: Page, scripts: list[Route]) -> None:
    await page.unroute("**/assets/*.js")
    for route in scripts:
        await route.continue_()


async def test_a_card_shows_its_age_briefly_and_the_number_beside_the_heart(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    tweet_id = await ann.post("an hour old")
    await ann.done("POST", f"/api/tweets/{tweet_id}/likes")
    for locale, age in (("en-GB", "1h"), ("ru-RU", "1 ч")):
        window = await opens(ann, "phone", locale=locale)
        await window.page.clock.install(time=datetime.now(UTC) + timedelta(minutes=61))
        await window.page.reload()
        tweet = window.tweet("an hour old")

        await expect(tweet.get_by_role("time").get_by_text(age, exact=True)).to_be_visible()
        heart = tweet.locator("button.like")
        sign, number = await heart.locator("svg").bounding_box(), tweet.get_by_text("1", exact=True)
        box = await number.bounding_box()

        assert sign is not None
        assert box is not None
        assert box["x"] - (sign["x"] + sign["width"]) == pytest.approx(4, abs=0.5)
        red = await heart.evaluate("button => getComputedStyle(button).color")
        await expect(number).to_have_css("color", red)


async def test_the_link_to_a_tweet_can_be_copied(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    tweet_id = await ann.post("worth a link")
    window = await opens(ann, permissions=["clipboard-read", "clipboard-write"])
    page = window.page

    await window.tweet("worth a link").get_by_role("button", name="Copy link").click()

    await expect(page.get_by_text("Link copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == f"{window.host}/tweets/{tweet_id}"
