"""How the page shows links, mentions, hashtags and line breaks of a tweet's text."""

import re
from urllib.parse import quote

from playwright.async_api import Route, expect

from tests.journeys.company import Company, mention

from .conftest import Opens

LINKS = {
    "https://a.example/wiki/Hanlon's_razor end": ["https://a.example/wiki/Hanlon's_razor"],
    "https://a.example/4\u200bword": ["https://a.example/4"],
    "word\u200bhttps://a.example/5": ["https://a.example/5"],
    "詳細はhttps://a.example/6": ["https://a.example/6"],
    "https://a.example/7\u202egpj": ["https://a.example/7"],
    "https://a.example/_ https://a.example/~ https://a.example/*": [
        "https://a.example/_",
        "https://a.example/~",
        "https://a.example/*",
    ],
    "https://a.example/8. https://a.example/9!": [
        "https://a.example/8",
        "https://a.example/9",
    ],
    "(https://a.example/11_(b)), [x](http://a.example/12)": [
        "https://a.example/11_(b)",
        "http://a.example/12",
    ],
    "https://пример.рф/путь, <HTTP://localhost:80/13>": [
        "https://пример.рф/путь",
        "HTTP://localhost:80/13",
    ],
    "https://a.example/?to=https://b.example/14": ["https://a.example/?to=https://b.example/14"],
    "ftp://a.example/ mailto:ann@a.example javascript:alert(1) data:text/html,x": [],
    "//a.example/15 a.example www.a.example ann@a.example https:// https://.": [],
    "https://bank.example@a.example/16": [],
}


async def test_http_addresses_in_a_tweet_are_links(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    tweets = {await ann.post(text): (text, links) for text, links in LINKS.items()}

    window = await opens(ann)

    for tweet_id, (text, links) in tweets.items():
        shown = window.page.locator(f"[data-tweet='{tweet_id}'] p")
        await expect(shown).to_be_visible()
        found = await shown.get_by_role("link").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
        assert found == links, text


async def test_at_most_one_blank_line_is_shown_and_the_text_is_kept(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    text = "\n \n  one" + "\n" * 200 + "two\n \t\n\u3000\n\nthree\n\nfour\nfive\n\n"
    tweet_id = await ann.post(text)

    window = await opens(ann)

    shown = window.page.locator(f"[data-tweet='{tweet_id}'] p")
    await expect(shown).to_be_visible()
    assert await shown.text_content() == "  one\n\ntwo\n\nthree\n\nfour\nfive"
    (tweet,) = await ann.feed()
    assert tweet["content"] == text


async def test_mentions_and_hashtags_lead_to_their_pages(company: Company, opens: Opens) -> None:
    ann, eve = await company.hire("Ann"), await company.hire("Eve Онегина")
    text = f"\U0001f426 hello @{eve.name}, see #Релиз_2 and http://a.example/1\n\n\n\nend"
    mentions = [{"user_id": eve.id, "start": 8, "length": 1 + len(eve.name)}]
    await mention(ann, "welcome", eve)
    await ann.done("POST", "/api/tweets", json={"tweet_data": text, "mentions": mentions})
    await eve.done("PATCH", f"/api/users/{eve.id}", json={"name": "Eve Larina"})
    window = await opens(ann)
    tweet = window.tweet("hello")

    await expect(tweet.locator("p")).to_have_text(
        "\U0001f426 hello @Eve Larina, see #Релиз_2 and a.example/1\n\nend"
    )
    tag = tweet.get_by_role("link", name="#Релиз_2")
    await expect(tag).to_have_attribute("href", f"/tags/{quote('релиз_2')}")
    await tweet.get_by_role("link", name="@Eve Larina").click()

    await expect(window.page).to_have_url(re.compile(f"/profile/{eve.id}$"))


async def test_entities_that_do_not_fit_the_text_leave_it_plain(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    await ann.post("see https://a.example/1 and #tag")
    window = await opens(ann, path="/people")

    async def shift(route: Route) -> None:
        response = await route.fetch()
        page = await response.json()
        for tweet in page["tweets"]:
            tweet["entities"][1]["start"] -= 1
        await route.fulfill(response=response, json=page)

    await window.page.route("**/api/tweets?*", shift)
    await window.page.goto("/")

    await expect(window.tweet("see https://a.example/1 and #tag")).to_be_visible()
    await expect(window.tweets.locator("p a")).to_have_count(0)
