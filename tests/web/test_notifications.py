"""What concerns a person reaches the person: the badge, the list, the settings."""

import asyncio
import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.journeys.company import (
    Company,
    Person,
    mention,
    until_accepted,
    until_readable,
    until_status,
)
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe
from .visitor import Visitor, hold_response, unreadable


async def until_listed(person: Person, count: int) -> None:
    async def is_listed() -> bool:
        page = await person.done("GET", "/api/notifications")
        return len(page["notifications"]) == count

    await eventually(is_listed)


def notifications(page: Page) -> Locator:
    return page.locator("#notifications").get_by_role("listitem")


def link(page: Page) -> Locator:
    """The place in the navigation: the bar of a phone has a shorter word for it."""
    return page.get_by_role("navigation", name="Main").get_by_role(
        "link", name=re.compile("Notifications|Activity")
    )


async def test_the_badge_counts_and_is_cleared_on_all_devices(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("Anybody here?")
    desk, phone = await opens(ann), await opens(ann, "phone")
    await expect(desk.tweet("Anybody here?")).to_be_visible()
    await expect(phone.tweet("Anybody here?")).to_be_visible()

    await bob.post("I am", reply_to=tweet_id)
    await mention(bob, "look at this", ann)
    await bob.like(tweet_id)
    # Ann's second browser is the third thing that counts. The like does not, so the badge
    # does not tell whether it has arrived.
    await until_listed(ann, 4)
    for page in (desk.page, phone.page):
        await expect(link(page)).to_have_accessible_name(re.compile("3 unread"))
        await expect(page).to_have_title(re.compile(r"^\(3\) "))
    await link(phone.page).click()
    await expect(notifications(phone.page)).to_have_count(4)

    for page in (desk.page, phone.page):
        await expect(link(page)).not_to_have_accessible_name(re.compile("unread"))
        await expect(page).to_have_title(re.compile("^(Home|Notifications)"))


async def test_a_late_answer_does_not_replace_a_newer_count(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    window = await opens(ann, path="/people")
    page = window.page
    unread = "**/api/notifications/unread"
    noticed = asyncio.Event()

    # The first page may ask only now, and would take the one answer that is held.
    await page.goto("about:blank")
    await page.route(unread, hold_response(noticed), times=1)
    async with page.expect_request(unread):
        await page.goto("/")
    await mention(bob, "look at this", ann)
    await expect(link(page)).to_have_accessible_name(re.compile("1 unread"))
    async with page.expect_response(unread):
        noticed.set()
    await window.has_handled_responses()

    await expect(link(page)).to_have_accessible_name(re.compile("1 unread"))


async def test_likes_of_a_tweet_are_one_row_that_leads_to_it(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann Kim")
    tweet_id = await ann.post("Everybody likes this")
    for name in ("Анна", "Борис", "Вера", "Глеб", "Дина"):
        await (await company.hire(name)).like(tweet_id)
    await until_listed(ann, 1)

    async def all_have_liked() -> bool:
        (group,) = (await ann.done("GET", "/api/notifications"))["notifications"]
        return bool(group["people_count"] == 5)

    await eventually(all_have_liked)
    window = await opens(ann, "phone", "/notifications")
    row = notifications(window.page)
    await expect(row).to_have_text(re.compile("Дина, Глеб and 3 others like your tweet"))
    await expect(row).to_contain_text("Everybody likes this")
    await expect(row.get_by_text("New", exact=True)).to_be_attached()
    await row.get_by_role("link").click()
    await expect(window.tweet("Everybody likes this")).to_be_visible()
    await window.page.go_back()

    await expect(row).to_be_visible()
    await expect(row.get_by_text("New", exact=True)).to_have_count(0)
    russian = await opens(ann, "phone", "/notifications", locale="ru-RU")
    await expect(notifications(russian.page).filter(has_text="твиту")).to_have_text(
        re.compile("Дина, Глеб и ещё 3 человека ставят «Нравится» вашему твиту")
    )


async def test_what_comes_while_the_list_is_read_is_announced(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    await mention(bob, "first", ann)
    await until_listed(ann, 1)
    window = await opens(ann, path="/notifications")
    await expect(notifications(window.page)).to_have_count(1)

    await mention(bob, "second", ann)
    await window.page.get_by_role("button", name="Show new notifications").click()

    await expect(notifications(window.page)).to_have_count(2)
    await expect(notifications(window.page).first).to_contain_text("second")
    await expect(link(window.page)).not_to_have_accessible_name(re.compile("unread"))


async def test_a_notification_waits_for_its_tweet(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    await mention(bob, "hello", ann)
    await until_listed(ann, 1)
    page = (await opens(ann)).page

    async with unreadable(page, "hello"):
        await link(page).click()
        await expect(notifications(page)).to_contain_text("Bob Ray mentioned you")
        await expect(notifications(page)).not_to_contain_text("The tweet is gone")

    await expect(notifications(page)).to_contain_text("hello")


async def test_a_state_that_arrives_late_does_not_undo_a_choice(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    # Notifications has to know Bob.
    await until_status(bob, "POST", f"/api/users/{bob.id}/watch", 409)
    page = (await opens(ann)).page
    released = asyncio.Event()
    hold = hold_response(released)
    await page.route(
        "**/watch",
        lambda route: hold(route) if route.request.method == "GET" else route.continue_(),
    )
    bell = page.get_by_role("button", name="Tell me about new tweets")

    async with page.expect_request("**/watch"):
        await page.goto(f"/profile/{bob.id}")
    async with page.expect_response(lambda response: response.request.method == "POST"):
        await bell.click()
    async with page.expect_response("**/watch"):
        released.set()

    await expect(bell).to_have_attribute("aria-pressed", "true")


async def test_a_muted_thread_is_silent_until_it_is_unmuted(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("A long discussion")
    await until_accepted(ann, "GET", f"/api/tweets/{tweet_id}/subscription")
    window = await opens(ann, "phone")
    page = window.page
    await window.tweet("A long discussion").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Mute thread").click()
    await expect(page.get_by_text("You won't be told about this thread")).to_be_visible()
    await bob.post("one more word", reply_to=tweet_id)
    await mention(bob, "hello", ann)
    await until_listed(ann, 1)

    await link(page).click()
    await expect(notifications(page)).to_have_count(1)
    await page.get_by_role("button", name="Notification settings").click()
    await page.get_by_role("button", name="Unmute: A long discussion").click()
    await expect(page.get_by_role("heading", name="Muted threads")).to_be_focused()
    await until_listed(ann, 2)
    await page.keyboard.press("Escape")
    await window.dialog_left_the_history()
    await page.reload()

    await expect(notifications(page)).to_have_count(2)


async def test_mentions_in_a_muted_thread_can_be_muted_too(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("A long discussion")
    await until_accepted(ann, "POST", f"/api/tweets/{tweet_id}/mute")
    await mention(bob, "are you there?", ann, reply_to=tweet_id)
    await until_listed(ann, 1)
    window = await opens(ann, screen)
    page = window.page

    await window.tweet("A long discussion").get_by_role("button", name="More actions").click()
    await page.get_by_role("menuitem", name="Mute mentions too").click()
    await until_listed(ann, 0)
    await link(page).click()
    await expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()

    await page.get_by_role("button", name="Notification settings").click()
    silent = page.get_by_label("Mute mentions too")
    await expect(silent).to_be_checked()
    await silent.uncheck()
    await until_listed(ann, 1)
    await page.keyboard.press("Escape")
    await window.dialog_left_the_history()
    await page.reload()
    await expect(notifications(page)).to_contain_text("are you there?")


async def test_mentions_are_listed_alone(company: Company, opens: Opens, screen: str) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("Say something")
    await bob.like(tweet_id)
    await mention(bob, "first", ann)
    await until_listed(ann, 2)
    window = await opens(ann, screen, "/notifications")
    page = window.page
    await expect(notifications(page)).to_have_count(2)

    await page.get_by_role("tab", name="Mentions").click()
    await expect(notifications(page)).to_have_count(1)
    await expect(notifications(page).get_by_text("New", exact=True)).to_be_attached()
    # What is no mention does not announce itself here.
    await bob.post("Something", reply_to=tweet_id)
    await expect(link(page)).to_have_accessible_name(re.compile("1 unread"))
    await expect(page.get_by_role("button", name="Show new notifications")).to_have_count(0)
    await mention(bob, "second", ann)
    await page.get_by_role("button", name="Show new notifications").click()
    await expect(notifications(page)).to_have_count(2)
    await expect(link(page)).not_to_have_accessible_name(re.compile("unread"))
    await expect(notifications(page).first).to_contain_text("second")
    await notifications(page).first.get_by_role("link").click()
    await expect(window.tweet("second")).to_be_visible()
    await page.go_back()

    await expect(page.get_by_role("tab", name="Mentions")).to_have_attribute(
        "aria-selected", "true"
    )
    await expect(notifications(page)).to_have_count(2)
    await page.get_by_role("tab", name="All").click()
    await expect(notifications(page)).to_have_count(4)


async def test_one_is_told_of_the_tweets_of_a_watched_person(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    # Notifications has to know Bob.
    await until_status(bob, "POST", f"/api/users/{bob.id}/watch", 409)
    window = await opens(ann, path=f"/profile/{bob.id}")
    page = window.page
    bell = page.get_by_role("button", name="Tell me about new tweets")
    async with page.expect_response(
        lambda response: response.url.endswith("/watch") and response.request.method == "POST"
    ):
        await bell.click()
    await expect(bell).to_have_attribute("aria-pressed", "true")

    await bob.post("Release 4.2 is out")
    await until_listed(ann, 1)
    await link(page).click()
    await expect(notifications(page)).to_contain_text("Bob Ray posted a tweet")
    await page.get_by_role("button", name="Notification settings").click()
    await page.get_by_role("button", name="Stop: Bob Ray").click()
    await expect(page.get_by_role("button", name="Stop: Bob Ray")).to_have_count(0)

    assert (await ann.done("GET", f"/api/users/{bob.id}/watch"))["watched"] is False


async def test_a_thread_is_followed_by_its_menu(company: Company, opens: Opens) -> None:
    ann, bob, eve = [await company.hire(name) for name in ("Ann Kim", "Bob Ray", "Eve Lee")]
    await ann.follow(bob)
    tweet_id = await bob.post("The plan for next year")
    await until_readable(ann, tweet_id)
    await until_accepted(ann, "GET", f"/api/tweets/{tweet_id}/subscription")
    window = await opens(ann, path=f"/tweets/{tweet_id}")
    page = window.page
    menu = window.tweet("The plan").get_by_role("button", name="More actions")
    await menu.click()
    await page.get_by_role("menuitem", name="Follow thread").click()
    await expect(page.get_by_text("You'll be told about new replies")).to_be_visible()
    await eve.post("I have a question", reply_to=tweet_id)
    await until_listed(ann, 1)

    await page.goto("/notifications")
    await expect(notifications(page)).to_contain_text("Eve Lee replied in a thread you follow")
    await page.goto(f"/tweets/{tweet_id}")
    await menu.click()

    await expect(page.get_by_role("menuitem", name="Stop following thread")).to_be_visible()


async def test_each_kind_can_be_quiet(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("Say something")
    window = await opens(ann, "phone")
    page = window.page
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Notifications").click()
    for label, option in (
        ("Replies to you", "In the list"),
        ("Mentions of you: from whom", "From people I follow"),
    ):
        async with page.expect_response(re.compile("/notifications/settings")):
            await page.get_by_label(label, exact=True).select_option(option)
    await page.keyboard.press("Escape")

    await mention(bob, "not heard", ann)
    await bob.post("Something", reply_to=tweet_id)
    await until_listed(ann, 1)

    await link(page).click()
    await expect(notifications(page)).to_contain_text("Something")
    assert (await ann.done("GET", "/api/notifications/unread"))["count"] == 0


async def test_a_new_key_leads_to_the_keys(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann Kim")
    key = {"name": "script", "scope": "read"}
    await ann.done("POST", f"/api/users/{ann.id}/keys", json=key)
    await until_listed(ann, 1)
    page = (await opens(ann, path="/notifications")).page

    await page.get_by_role("button", name="New access key for your account").click()

    await expect(page.get_by_role("dialog", name="Keys and devices")).to_be_visible()


async def test_the_list_is_reached_by_keys_and_says_that_it_is_empty(
    company: Company, opens: Opens
) -> None:
    page = (await opens(await company.hire("Ann"))).page
    await expect(page.get_by_role("main")).to_be_visible()

    await page.keyboard.press("g")
    await page.keyboard.press("n")

    await expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()
    await expect(page).to_have_url(re.compile("/notifications$"))


# Colours do not depend on the screen, and sizes do not depend on the theme.
@pytest.mark.parametrize(
    ("screen", "theme"),
    [("wide", "light"), pytest.param("phone", "dark", marks=pytest.mark.slow)],
)
async def test_axe_finds_nothing_on_the_views_of_notifications(
    company: Company, opens: Opens, theme: str, screen: str
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("منى حداد")
    tweet_id = await ann.post("liked and answered")
    window = await opens(ann, screen, "/notifications", color_scheme=theme, reduced_motion="reduce")
    page = window.page
    found: dict[str, list[str]] = {}
    await expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()
    found["empty"] = await axe(page)
    await bob.like(tweet_id)
    await bob.follow(ann)
    await mention(bob, "hello", ann)
    reply = await bob.post("an answer", reply_to=tweet_id)
    for path in (f"/api/tweets/{reply}/subscription", f"/api/users/{bob.id}/watch"):
        await until_accepted(ann, "POST", path)
    await ann.done("POST", f"/api/users/{ann.id}/keys", json={"name": "key", "scope": "read"})
    await until_listed(ann, 5)

    await page.goto("/")
    await expect(link(page)).to_have_accessible_name(re.compile("unread"))
    found["badge"] = await axe(page)
    await link(page).click()
    await expect(notifications(page)).to_have_count(5)
    found["list"] = await axe(page)
    await page.get_by_role("button", name="Notification settings").click()
    await expect(page.get_by_label("Likes", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name=re.compile("^Stop: "))).to_have_count(2)
    found["settings"] = await axe(page)
    await page.goto(f"/profile/{bob.id}")
    await expect(page.get_by_role("button", name="Tell me about new tweets")).to_be_visible()
    found["profile"] = await axe(page)
    await page.goto(f"/tweets/{tweet_id}")
    await open_menu(window)
    found["menu"] = await axe(page)
    await page.route("**/api/notifications*", lambda route: route.abort())
    await page.goto("/notifications")
    await expect(page.get_by_role("alert")).to_be_visible()
    found["failed"] = await axe(page)

    assert {view: problems for view, problems in found.items() if problems} == {}


async def open_menu(window: Visitor) -> None:
    await window.tweets.first.get_by_role("button", name="More actions").click()
    await expect(window.page.get_by_role("menuitem").first).to_be_visible()
