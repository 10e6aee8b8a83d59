"""Hostile input is shown as text everywhere, also without the Content-Security-Policy."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from playwright.async_api import Dialog, Page, Route, expect

from tests.journeys.company import Company, Person, png

from .conftest import Opens
from .visitor import Visitor

_EVERYTHING = "an end of what stands around it"
CRAFTED = {
    "an element with a handler": "<img src=x onerror=alert(1)>",
    _EVERYTHING: (
        """'"></title></style></textarea><script>alert(1)</script><svg onload=alert(1)>"""
    ),
    "an address that is a script": "javascript:alert(1)//https://a.example/",
    "an address that ends early": """https://a.example/"onmouseover="alert(1)"autofocus=""",
    "a frame": "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "what templates take for their own": "{{alert(1)}}${alert(1)}{@html alert(1)}<%= 1 %>",
    "what is written already": "&lt;img src=x onerror=alert(1)&gt;&#60;script&#62;",
}
crafted = pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            text,
            id=what,
            marks=[] if what in ("an address that is a script", _EVERYTHING) else pytest.mark.slow,
        )
        for what, text in CRAFTED.items()
    ],
)
_ALIVE = """[...document.querySelectorAll("*")].filter(element =>
    element.matches("script:not([src]), iframe, object, embed, base, img[src=x]")
    || element.getAttributeNames().some(name => name.startsWith("on"))
    || /^\\s*javascript:/i.test(element.getAttribute("href") ?? "")
).map(element => element.outerHTML)"""


class Bare:
    """Windows without the policy, which would block scripts anyway; `ran` lists what ran."""

    def __init__(self, opens: Opens) -> None:
        self._opens = opens
        self.ran: list[str] = []

    async def window(self, person: Person) -> Visitor:
        window = await self._opens(person, bypass_csp=True)
        window.page.on("dialog", self._on_dialog)
        return window

    async def _on_dialog(self, dialog: Dialog) -> None:
        self.ran.append(dialog.message)
        await dialog.dismiss()


@pytest.fixture
async def bare(opens: Opens) -> AsyncIterator[Bare]:
    bare = Bare(opens)
    yield bare
    assert bare.ran == []


async def nothing_lives(page: Page) -> None:
    assert await page.evaluate(_ALIVE) == []


@crafted
async def test_what_others_wrote_is_text_wherever_the_page_shows_it(
    company: Company, bare: Bare, text: str
) -> None:
    hostile, reader = await company.hire(text), await company.hire("Reader")
    await reader.follow(hostile)
    tweet_id = await hostile.post(f"@{text}", [await hostile.upload(png(), alt=text)])
    await hostile.done("POST", f"/api/tweets/{tweet_id}/likes")
    window = await bare.window(reader)
    page = window.page

    tweet = window.tweets.first
    # A URL becomes a link, whose text has no scheme.
    await expect(tweet.get_by_text("@" + text.replace("https://", ""))).to_be_visible()
    await expect(tweet.locator("bdi")).to_have_text(text)
    await tweet.get_by_role("button", name="1 like").click()
    await expect(page.get_by_role("dialog").get_by_text(text, exact=True)).to_be_visible()
    await nothing_lives(page)
    await page.keyboard.press("Escape")
    await tweet.get_by_role("button", name=text, exact=True).click()
    await expect(page.get_by_role("dialog").get_by_alt_text(text, exact=True)).to_be_visible()
    await nothing_lives(page)
    await page.goto(f"/profile/{hostile.id}")
    await expect(page.get_by_role("heading", name=text, exact=True)).to_be_visible()
    await expect(page).to_have_title(f"{text} · Warble")
    await nothing_lives(page)
    await page.goto("/people")
    await page.get_by_role("main").get_by_role("searchbox").fill(text)
    found = page.get_by_role("main").get_by_role("listitem")
    await expect(found.get_by_text(text, exact=True).first).to_be_visible()
    await nothing_lives(page)


@crafted
async def test_what_comes_back_to_the_reader_is_text_too(
    company: Company, bare: Bare, text: str
) -> None:
    window = await bare.window(await company.hire("Reader"))
    page = window.page

    async def refuse(route: Route) -> None:
        problem = {"result": False, "error_type": text, "error_message": text}
        await route.fulfill(status=422, content_type="application/json", body=json.dumps(problem))

    async def find_nobody(route: Route) -> None:
        await route.fulfill(json={"result": True, "users": [], "next_cursor": None})

    for path in ("/?next={}#{}", "/people?query={}#{}", "/{}/nowhere?{}"):
        await page.goto(path.format(quote(text, safe=""), quote(text, safe="")))
        await expect(page.get_by_role("main")).to_be_visible()
        await nothing_lives(page)
    await page.route("**/api/users?**", find_nobody)
    await page.goto("/people")
    await page.get_by_role("main").get_by_role("searchbox").fill(text)
    await expect(page.get_by_text(f"No one found for “{text}”")).to_be_visible()
    await nothing_lives(page)
    await page.goto("/")
    await page.route("**/api/tweets", refuse)
    form = await window.writes(text)
    await window.attaches(form, (f"{text}.png", png()))
    await form.get_by_role("button", name="Post").click()
    await expect(form.get_by_role("alert")).to_contain_text(text)
    await nothing_lives(page)


async def test_an_answer_of_the_api_that_is_opened_as_a_page_is_text(
    company: Company, bare: Bare
) -> None:
    ann = await company.hire("Ann")
    keys = f"/api/users/{ann.id}/keys"
    own, office = await bare.window(ann), await bare.window(company.administrator)
    for text in CRAFTED.values():
        await ann.done("POST", keys, json={"name": text, "scope": "read"})
        await company.administrator.done("PATCH", f"/api/users/{ann.id}", json={"name": text})

        for page, path in (
            (own.page, f"/api/users?query={quote(text)}"),
            (own.page, f"/api/tweets?order={quote(text)}"),
            (own.page, f"/uploads/{quote(text, safe='')}"),
            (office.page, "/api/audit"),
            (own.page, keys),
        ):
            await page.goto(path)
            assert await page.evaluate("document.contentType") == "application/json", path
            await nothing_lives(page)
        assert json.dumps(text, ensure_ascii=False) in await own.page.inner_text("body")


async def test_the_documentation_shows_our_document_alone_and_asks_nobody(opens: Opens) -> None:
    bait = quote("https://evil.example/openapi.json")
    window = await opens(path=f"/docs?url={bait}&configUrl={bait}#/<img src=x onerror=alert(1)>")

    # By default, `opens` fails on violations of the policy and on requests to other hosts.
    await expect(window.page.get_by_role("heading", name="Warble").first).to_be_visible()
    await expect(window.page.get_by_text("/api/tweets", exact=True).first).to_be_visible()
