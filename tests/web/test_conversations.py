"""Home: why a tweet is there, which replies it shows, and the period of popular tweets."""

import re

from playwright.async_api import expect

from tests.journeys.company import Company, until

from .conftest import Opens
from .test_look import axe


async def test_home_says_who_talks_below_a_tweet_and_leads_there(
    company: Company, opens: Opens
) -> None:
    ann, bob, eve, star = [await company.hire(name) for name in ("Ann", "Bob", "Eve", "Star")]
    for followed in (bob, eve):
        await ann.follow(followed)
    top = await star.post("by a stranger")
    first = await bob.post("Bob thinks so", reply_to=top)
    second = await eve.post("Eve does not", reply_to=first)
    await bob.post("but Bob insists", reply_to=second)
    tweets = "?replies=conversations&order=recent&limit=10"
    await until(
        ann,
        lambda feed: feed and (feed[0].get("conversation") or {}).get("reply_count") == 2,
        tweets,
    )
    window = await opens(ann, "phone")
    why = window.tweet("by a stranger").get_by_role("link", name=re.compile("repl"))

    await expect(window.tweets).to_have_count(1)
    await expect(why).to_have_text("2 replies from Bob and Eve")
    assert await axe(window.page) == []
    await why.click()
    await expect(window.tweet("Bob insists")).to_be_visible()
    await window.tweet("by a stranger").get_by_role("link", name="Star").first.click()

    await expect(window.page).to_have_url(re.compile("/profile/"))
    await expect(window.tweet("by a stranger")).to_be_visible()
    await expect(window.page.get_by_text("2 replies from")).to_have_count(0)


async def test_the_reader_chooses_which_replies_home_shows(company: Company, opens: Opens) -> None:
    ann, bob, star = [await company.hire(name) for name in ("Ann", "Bob", "Star")]
    await ann.follow(bob)
    top = await star.post("by a stranger")
    await bob.post("Bob thinks so", reply_to=top)
    await until(ann, lambda feed: feed, "?replies=all&order=recent&limit=10")
    window = await opens(ann)
    page = window.page
    menu = page.get_by_role("button", name="Sort by")

    await expect(page.get_by_text("Follow people to see")).to_be_visible()
    await menu.click()
    group = page.get_by_role("group", name="Replies")
    await expect(group).to_have_accessible_description(re.compile("Other replies are left out"))
    assert await axe(page) == []
    await group.get_by_role("menuitemradio", name="All").click()
    await expect(window.tweet("Bob thinks so")).to_be_visible()
    link = window.tweet("Bob thinks so").get_by_role("link", name="In reply to Star")
    await expect(link).to_have_attribute("href", f"/tweets/{top}")
    await page.reload()
    await expect(window.tweet("Bob thinks so")).to_be_visible()
    await menu.click()
    await expect(group).to_have_accessible_description("Nothing is left out.")


async def test_popular_tweets_are_of_the_chosen_period(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("of today")
    window = await opens(ann)
    page = window.page

    await page.get_by_role("button", name="Sort by: Latest").click()
    await expect(page.get_by_role("group", name="Period")).to_have_count(0)
    await page.get_by_role("menuitemradio", name="Popular").click()
    await page.get_by_role("button", name="Sort by: Popular").click()
    async with page.expect_request(re.compile("since=week")) as asked:
        await page.get_by_role("menuitemradio", name="This week").click()

    assert "order=popular" in (await asked.value).url
    await expect(window.tweet("of today")).to_be_visible()
