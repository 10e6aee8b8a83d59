"""The page follows what happens, by one stream of notices for all tabs of a browser."""

import re

import pytest
from playwright.async_api import BrowserContext, Locator, Page, Request, Route, expect

from tests.journeys.company import Company, Person, until, until_readable
from tests.waiting import eventually

from .conftest import Opens
from .visitor import Visitor, unreadable

NO_POLLING = """const start = setInterval;
window.setInterval = (act, pause, ...rest) => pause === 20000 ? 0 : start(act, pause, ...rest);"""
"""Takes the timers away with which the page asks for what is new where it has no stream."""

HIDING = """window.hide = (hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
};"""

STREAM = re.compile(r"/api/stream(\?|$)")


async def live(opens: Opens, person: Person, screen: str = "wide", path: str = "/") -> Visitor:
    """A window that hears of what is new by the stream alone."""
    window = await opens(None, screen)
    context = window.page.context
    await context.add_init_script(NO_POLLING)
    await enter(context, person)
    async with window.page.expect_response(STREAM):
        await window.page.goto(path)
    return window


async def enter(context: BrowserContext, person: Person) -> None:
    await context.add_init_script(
        f"localStorage['warble.welcomed.{person.id}'] = 'yes';"
        "localStorage['warble.scope'] ??= 'following';"
    )
    entered = await context.request.post("/api/session", data={"api_key": person.key})
    assert entered.ok, await entered.text()


async def test_two_people_answer_each_other_without_a_reload(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    tweet_id = await ann.post("Who is coming to lunch?")
    await until_readable(bob, tweet_id)
    anns = await live(opens, ann, path=f"/tweets/{tweet_id}")
    bobs = await live(opens, bob, path=f"/tweets/{tweet_id}")

    await reply(bobs, "I am")
    await expect(anns.tweet("I am")).to_be_visible()
    await expect(
        anns.tweet("Who is coming").get_by_role("button", name="Reply: 1 reply")
    ).to_be_visible()
    await reply(anns, "See you at one")

    await expect(bobs.tweet("See you at one")).to_be_visible()


async def reply(window: Visitor, text: str) -> None:
    form = window.page.get_by_role("form", name="New reply")
    await form.get_by_role("textbox").first.fill(text)
    await form.get_by_role("button", name="Reply", exact=True).click()
    await expect(window.tweet(text)).to_be_visible()


async def test_a_new_tweet_is_announced_and_shown_where_the_reader_wants_it(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    for number in range(15):
        await bob.post(f"number {number}.")
    await until(ann, lambda feed: len(feed) == 15)
    window = await live(opens, ann, screen)
    read = window.tweet("number 8.")
    await read.scroll_into_view_if_needed()
    before = await read.bounding_box()

    await bob.post("brand new")
    await expect(window.page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()
    await bob.post("newer still")
    button = window.page.get_by_role("button", name="2 new tweets")
    await expect(button).to_be_visible()
    assert await read.bounding_box() == before
    await expect(window.tweet("brand new")).to_have_count(0)
    await expect(window.page).to_have_title(re.compile(r"^\(2\) Home"))
    await button.click()

    await expect(window.tweets.first).to_contain_text("newer still")
    await expect(window.tweets.nth(1)).to_contain_text("brand new")
    await expect(window.tweets.first).to_be_in_viewport()
    await expect(window.page).to_have_title(re.compile("^Home"))


async def test_likes_replies_and_deletions_show_in_place(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    gone, stays = await bob.post("to be deleted"), await bob.post("to be liked")
    await until(ann, lambda feed: len(feed) == 2)
    window = await live(opens, ann, "phone")
    tweet = window.tweet("to be liked")
    await expect(tweet).to_be_visible()

    await bob.like(stays)
    await bob.post("a reply", reply_to=stays)
    await expect(tweet.get_by_role("button", name="1 like")).to_be_visible()
    await expect(tweet.get_by_role("button", name="Reply: 1 reply")).to_be_visible()
    await bob.done("DELETE", f"/api/tweets/{stays}/likes")
    await bob.done("DELETE", f"/api/tweets/{gone}")

    await expect(window.tweet("to be deleted")).to_have_count(0)
    await expect(tweet.get_by_role("button", name="1 like")).to_have_count(0)


async def test_a_reply_that_would_move_what_is_read_waits(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    root = await ann.post("the beginning")
    first = await bob.post("first answer", reply_to=root)
    await until_readable(ann, first)
    await until_readable(ann, await bob.post("second answer", reply_to=root))
    window = await live(opens, ann, path=f"/tweets/{root}")
    second = window.tweet("second answer")
    await expect(second).to_be_visible()
    before = await second.bounding_box()

    await bob.post("between the two", reply_to=first)
    button = window.page.get_by_role("button", name="1 new reply")
    await expect(button).to_be_visible()
    assert await second.bounding_box() == before
    await bob.post("third answer", reply_to=root)
    await expect(window.tweet("third answer")).to_be_visible()
    assert await second.bounding_box() == before
    await button.click()

    await expect(window.tweet("between the two")).to_be_focused()
    await expect(window.page.get_by_role("main").get_by_role("article")).to_contain_text(
        ["the beginning", "first answer", "between the two", "second answer", "third answer"]
    )


async def test_eight_tabs_share_one_stream_and_another_tab_takes_over(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("first")
    await until(ann, lambda feed: len(feed) == 1)
    window = await live(opens, ann)
    context = window.page.context
    streams: list[Request] = []
    context.on("request", lambda asked: streams.append(asked) if STREAM.search(asked.url) else None)

    tabs = [window.page]
    for _ in range(7):
        page = await context.new_page()
        await page.goto("/")
        tabs.append(page)
    for page in tabs:
        await expect(page.get_by_role("article")).to_have_count(1)
    await bob.post("second")
    for page in tabs:
        await expect(page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()
    assert streams == []
    await tabs.pop(0).close()
    await bob.post("third")
    for page in tabs:
        await expect(page.get_by_role("button", name="2 new tweets")).to_be_visible()

    assert len(streams) == 1
    assert "after=" in streams[0].url


async def test_a_hidden_browser_lets_go_and_misses_nothing(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("first")
    await until(ann, lambda feed: len(feed) == 1)
    window = await opens()
    page = window.page
    await page.clock.install()
    await page.add_init_script(NO_POLLING + HIDING)
    await enter(page.context, ann)
    async with page.expect_response(STREAM):
        await page.goto("/")
    await expect(window.tweet("first")).to_be_visible()
    ended: list[Request] = []
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda asked: ended.append(asked) if STREAM.search(asked.url) else None)

    await page.evaluate("hide(true)")
    # The real time passes as well.
    await page.clock.run_for(200_000)
    assert ended == []
    await page.clock.run_for(101_000)

    async def has_let_go() -> bool:
        return bool(ended)

    await eventually(has_let_go)
    await bob.post("second")
    async with page.expect_request(re.compile(r"/api/stream\?.*after=")):
        await page.evaluate("hide(false)")

    await expect(page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()


async def test_where_the_stream_is_refused_the_page_asks(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    tweet_id = await ann.post("own")
    await until(ann, lambda feed: len(feed) == 1)
    window = await opens()
    page = window.page
    await page.clock.install()
    await page.route(STREAM, lambda route: route.fulfill(status=503, json={"result": False}))
    await enter(page.context, ann)
    async with page.expect_response(STREAM):
        await page.goto("/")
    await expect(window.tweet("own")).to_be_visible()

    await bob.post("new", reply_to=None)
    await bob.post("a reply", reply_to=tweet_id)
    await until(ann, lambda feed: len(feed) == 2)
    await until_unread(ann, 1)
    await page.clock.run_for(25_000)

    await expect(page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()
    await expect(page.get_by_role("link", name="1 unread")).to_be_visible()


async def until_unread(person: Person, count: int) -> None:
    async def is_so() -> bool:
        found = await person.done("GET", "/api/notifications/unread")
        return bool(found["count"] == count)

    await eventually(is_so)


async def test_after_a_gap_that_the_server_does_not_remember_the_page_reads_again(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("first")
    await until(ann, lambda feed: len(feed) == 1)
    window = await live(opens, ann)
    page = window.page
    await expect(window.tweet("first")).to_be_visible()

    async def forget(route: Route) -> None:
        await route.continue_(url=re.sub(r"after=\d+", "after=9000000000000", route.request.url))

    await page.context.set_offline(True)
    await bob.post("second")
    await until(ann, lambda feed: len(feed) == 2)
    await page.route(STREAM, forget)
    await page.context.set_offline(False)

    await expect(page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()


async def test_a_session_that_is_ended_elsewhere_ends_at_once(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await live(opens, ann)
    other = await opens(ann)
    await expect(window.page.get_by_role("main")).to_be_visible()

    sessions = await other.page.request.get(f"/api/users/{ann.id}/sessions")
    for session in (await sessions.json())["sessions"]:
        if not session["current"]:
            await ann.done("DELETE", f"/api/users/{ann.id}/sessions/{session['id']}")

    await expect(window.page.get_by_label("Your access key")).to_be_visible()
    await expect(window.page.get_by_text("You've been signed out")).to_be_visible()


async def test_what_one_does_shows_in_ones_other_tab(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await bob.post("likeable")
    await until(ann, lambda feed: len(feed) == 1)
    window = await live(opens, ann)
    page = await window.page.context.new_page()
    await page.goto("/")
    there = page.get_by_role("article").filter(has_text="likeable")
    await expect(there).to_be_visible()

    await window.tweet("likeable").get_by_role("button", name="Like", exact=True).click()
    await expect(there.get_by_role("button", name="Unlike")).to_be_visible()
    await expect(there.get_by_role("button", name="1 like")).to_be_visible()
    await window.posts(await window.writes("written here"))

    await expect(page.get_by_role("button", name="1 new tweet", exact=True)).to_be_visible()
    await expect(window.tweet("written here")).to_be_visible()
    await expect(window.page.get_by_role("button", name="1 new tweet")).to_have_count(0)


async def until_shown(page: Page, tweets: list[Locator]) -> None:
    """Clicks the button for new tweets until all of these are shown. One of them may be announced
    before another, or before it can be read.

    The button vanishes at some moment after a click, when the tweets have arrived. So a script in
    the page clicks it: Playwright's own click would wait for it to come back."""
    button = page.get_by_role("button", name=re.compile(r"new tweets?$"))

    async def are_shown() -> bool:
        await button.evaluate_all("buttons => buttons.forEach((button) => button.click())")
        return all([await tweet.is_visible() for tweet in tweets])

    await eventually(are_shown)


async def test_a_tweet_that_can_be_read_only_after_a_newer_one_is_shown_too(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    await until_readable(ann, await bob.post("before"))
    window = await live(opens, ann)
    page = window.page
    await expect(window.tweet("before")).to_be_visible()

    async with unreadable(page, "late"):
        await bob.post("late")
        await bob.post("in time")
        await until_shown(page, [window.tweet("in time")])
        await expect(window.tweet("late")).to_have_count(0)
    await until_shown(page, [window.tweet("late")])


@pytest.mark.parametrize(
    "scope", ["following", pytest.param("everyone", marks=pytest.mark.exclusive)]
)
async def test_a_feed_announces_what_belongs_to_it(
    company: Company, opens: Opens, scope: str
) -> None:
    ann, bob, eve = [await company.hire(name) for name in ("Ann", "Bob", "Eve")]
    await ann.follow(bob)
    await bob.post(f"first of {bob.id}")
    await until(ann, lambda feed: len(feed) == 1)
    window = await live(opens, ann)
    page = window.page
    other = await page.context.new_page()
    await other.goto("/")
    await other.get_by_role("tab", name="Everyone").click()
    await expect(other.get_by_role("article").first).to_be_visible()
    shown = page if scope == "following" else other
    await expect(shown.get_by_role("article").filter(has_text=f"first of {bob.id}")).to_be_visible()

    await eve.post(f"by {eve.id}, whom Ann does not follow")
    await bob.post(f"by Bob, {bob.id}")
    tweet = shown.get_by_role("article").filter(has_text=f"by Bob, {bob.id}")
    strangers = shown.get_by_role("article").filter(has_text=f"by {eve.id}, whom")
    await until_shown(shown, [tweet, strangers] if scope == "everyone" else [tweet])
    await expect(strangers).to_have_count(1 if scope == "everyone" else 0)
