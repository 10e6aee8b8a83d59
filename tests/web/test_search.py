"""The search: its results, filters and address, and what it says when nothing is found."""

import re
import secrets

from playwright.async_api import expect

from tests.journeys.company import Company
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe


async def test_a_search_finds_tweets_people_and_tags(
    company: Company, opens: Opens, screen: str
) -> None:
    word = f"поиск{secrets.token_hex(4)}"
    ann, bob = await company.hire("Ann"), await company.hire(f"Bob {word}")
    await ann.post(f"{word} и договоры")
    liked = await bob.post(f"<b>{word}</b> #{word}")
    await bob.done("POST", f"/api/tweets/{liked}/likes")
    await bob.post(f"{word} {word}")

    async def are_found() -> bool:
        tweets = (await ann.done("GET", "/api/search", params={"q": word}))["tweets"]
        return sorted(tweet["like_count"] for tweet in tweets) == [0, 0, 1]

    await eventually(are_found)
    window = await opens(ann, screen)
    page = window.page

    await page.get_by_role("main").press("/")
    field = page.get_by_role("searchbox")
    if screen == "wide":
        await field.fill(word)
        await page.get_by_role("link", name=f"Search tweets for “{word}”").click()
    else:
        await expect(page.get_by_role("heading", name="What you can type")).to_be_visible()
        await field.fill(word)
    await expect(page).to_have_url(re.compile(r"/search\?q="))
    await expect(window.tweets).to_have_count(3)
    await expect(window.tweets.first.locator("mark")).to_have_text([word, word])
    await expect(window.tweet("<b>")).to_contain_text(f"<b>{word}</b>")
    assert await axe(page) == []

    await page.get_by_role("tab", name="Popular").click()
    await expect(window.tweets.first).to_contain_text("<b>")
    await page.get_by_role("button", name="By me").click()
    await expect(field).to_have_value(f"{word} from:me")
    await expect(window.tweets).to_have_count(1)
    await field.fill(f"{word} договором")
    await field.press("Enter")
    await expect(window.tweets.locator("mark")).to_have_text([word, "договоры"])
    await field.fill(word)
    await page.get_by_role("tab", name="People").click()
    await expect(page.get_by_role("main").get_by_role("link", name=bob.name)).to_be_visible()
    tag = page.get_by_role("main").get_by_role("link", name=f"#{word}")

    async def is_listed() -> bool:
        """Asks again: the counts of tags are some seconds behind, in each process by itself."""
        await page.get_by_role("tab", name="People").click()
        async with page.expect_response(re.compile("/api/tags")):
            await page.get_by_role("tab", name="Hashtags").click()
        return bool(await tag.count())

    await eventually(is_listed)
    await tag.click()
    await expect(page).to_have_url(re.compile("/tags/"))
    await page.go_back()

    await expect(field).to_have_value(word)


async def test_people_of_the_same_name_are_told_apart(
    company: Company, opens: Opens, screen: str
) -> None:
    name = f"Eva {secrets.token_hex(4)}"
    ann, sales, other = [await company.hire(each) for each in ("Ann", name, name)]
    department = {"department": "Sales"}
    await company.administrator.done("PATCH", f"/api/users/{sales.id}", json=department)
    for eva in (sales, other):
        await eva.post(f"I am {eva.id}")
    window = await opens(ann, screen)
    page = window.page
    query = f'from:"{name}"'

    async def both_are_found() -> bool:
        found = await ann.done("GET", "/api/search", params={"q": query})
        return len(found["tweets"]) == 2

    await eventually(both_are_found)
    await page.goto(f"/search?q={query}")
    await expect(page.get_by_role("button", name=f"{name} · No. {other.id}")).to_be_visible()
    await page.get_by_role("button", name=f"{name} · Sales").click()

    await expect(window.tweets).to_have_count(1)
    await expect(window.tweets).to_contain_text(f"I am {sales.id}")


async def test_a_search_says_what_it_does_not_understand(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann, path="/search", locale="ru-RU")
    page = window.page
    field = page.get_by_role("searchbox")

    await field.fill("есть:кот")
    await expect(page.get_by_role("tabpanel")).to_have_text(
        "После «есть:» напишите «фото» или «ссылка»."
    )
    await field.fill(f"слова{secrets.token_hex(6)}")
    await field.press("Enter")
    await expect(page.get_by_role("heading", name="ничего не нашлось")).to_be_visible()
    await field.fill("")
    await page.get_by_role("button", name=re.compile("^слова")).click()
    await expect(page.get_by_role("heading", name="ничего не нашлось")).to_be_visible()
    await page.goto("/search")
    await page.get_by_role("button", name="Очистить недавние запросы").click()

    await expect(page.get_by_role("button", name=re.compile("^слова"))).to_have_count(0)
