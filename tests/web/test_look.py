"""Appearance and accessibility: languages, themes, sizes, scripts, keyboard, screen readers."""

import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.async_api import Page, Route, expect

from devstack.instance import Instance
from devstack.web_build import BUILT, WEB
from tests.journeys.company import Company, Person
from tests.waiting import PATIENCE_SECONDS

from .conftest import Opens
from .visitor import Visitor

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SCRIPT_BYTES = 45_000
HOSTILE = (
    '<img src=x onerror="document.title=1"><script>alert(1)</script> javascript:alert(1) '
    "https://example.org/'onmouseover='alert(1) {{7*7}} ${alert(1)}"
)
STRANGE = {
    "unbroken": "Donaudampfschifffahrtsgesellschaft" * 8,
    "emoji": "\U0001f433" * 280,
    "arabic": "مرحبا بكم في شركتنا https://example.org/ و ١٢٣",
    "hostile": HOSTILE,
    "lines": "\n".join("abc" for _ in range(60)),
}


ANIMATIONS_END = """Promise.allSettled(
    document.getAnimations()
        .filter((animation) => animation.playState === "running")
        .filter((animation) => animation.effect.getComputedTiming().endTime < Infinity)
        .map((animation) => animation.finished)
).then(() => null)"""


async def axe(page: Page) -> list[str]:
    """Violations that axe finds when nothing moves any more.

    Its script is injected by the debugger, because of the policy.
    """
    await page.evaluate(ANIMATIONS_END)
    await page.evaluate(AXE.read_text())
    found: dict[str, Any] = await page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {json.dumps([node['target'] for node in violation['nodes']])}"
        for violation in found["violations"]
    ]


async def lively(company: Company) -> tuple[Person, Person]:
    ann, bob = await company.hire("Ann Kim"), await company.hire("منى حداد")
    await ann.follow(bob)
    await bob.follow(ann)
    tweet_id = await bob.post("With pictures", [await bob.upload() for _ in range(3)])
    await ann.done("POST", f"/api/tweets/{tweet_id}/likes")
    await ann.post("Own words https://example.org")
    return ann, bob


# Colours do not depend on the screen, and sizes do not depend on the theme.
@pytest.mark.parametrize(
    ("screen", "theme"),
    [("wide", "light"), pytest.param("phone", "dark", marks=pytest.mark.slow)],
)
async def test_axe_finds_nothing_on_any_view(
    company: Company, opens: Opens, theme: str, screen: str
) -> None:
    ann, bob = await lively(company)
    window = await opens(None, screen, color_scheme=theme, reduced_motion="reduce")
    page = window.page
    found: dict[str, list[str]] = {}

    await expect(page.get_by_label("Your access key")).to_be_visible()
    found["signing in"] = await axe(page)
    await page.get_by_label("Your access key").fill(ann.key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(window.tweets).to_have_count(2)
    found["home"] = await axe(page)
    for name, path, shown in (
        ("profile", f"/profile/{bob.id}", "With pictures"),
        ("followers", f"/profile/{bob.id}/followers", "Ann Kim"),
        ("following", f"/profile/{bob.id}/following", "Ann Kim"),
        ("people", "/people", "Follow"),
        ("nobody", "/profile/900000000", "Profile not found"),
        ("nothing", "/some/where", "Page not found"),
    ):
        await page.goto(path)
        await expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
        found[name] = await axe(page)

    async def look_at_dialog(name: str, dialog: str) -> None:
        await expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        found[name] = await axe(page)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await window.dialog_left_the_history()

    await page.goto(f"/profile/{ann.id}")
    await page.get_by_role("button", name="Edit profile").click()
    await look_at_dialog("own profile", "Edit profile")
    await page.goto("/")
    for name, opener, dialog in _dialogs(window):
        await opener.click()
        await look_at_dialog(name, dialog)
    await window.tweet("Own words").get_by_role("button", name="More actions").click()
    await expect(page.get_by_role("menu")).to_be_visible()
    found["menu"] = await axe(page)
    await page.get_by_role("menuitem", name="Delete").click()
    await expect(page.get_by_role("button", name="Undo")).to_be_visible()
    found["undoing"] = await axe(page)
    await page.get_by_role("button", name="Undo").click()
    for name, dialog in (("access", "Keys and devices"), ("erasing", "Erase my account")):
        await page.get_by_role("button", name="Settings").click()
        await page.get_by_role("button", name=dialog).click()
        await look_at_dialog(name, dialog)
    if screen == "wide":
        await page.get_by_role("button", name="About").click()
        await look_at_dialog("about", "About Warble")
    await page.keyboard.press("?")
    await look_at_dialog("shortcuts", "Keyboard shortcuts")
    await page.route("**/api/**", lambda route: route.abort())
    await page.goto("/")
    await expect(page.get_by_text("Can't reach Warble")).to_be_visible()
    found["unreachable"] = await axe(page)

    assert {view: problems for view, problems in found.items() if problems} == {}


def _dialogs(window: Visitor) -> list[tuple[str, Any, str]]:
    page = window.page
    pictures = window.tweet("With pictures")
    return [
        ("settings", page.get_by_role("button", name="Settings"), "Settings"),
        ("writing", page.get_by_role("button", name="Write"), "New tweet"),
        ("likers", pictures.get_by_role("button", name="1 like"), "Liked by"),
        ("pictures", pictures.get_by_role("button", name="Open picture 1"), "Picture 1 of 3"),
    ]


@pytest.mark.parametrize("text", STRANGE)
async def test_no_text_breaks_the_page_or_runs(company: Company, opens: Opens, text: str) -> None:
    ann = await company.hire("Ann " + "W" * 46)
    await ann.post(STRANGE[text][:280] if text != "emoji" else STRANGE[text])
    window = await opens(ann, "narrow")
    page = window.page

    await expect(window.tweets).to_have_count(1)
    for path in ("/", f"/profile/{ann.id}", "/people"):
        await page.goto(path)
        await expect(page.get_by_role("link").first).to_be_visible()
        width = "document.documentElement.scrollWidth"
        assert await page.evaluate(width) <= 320, path
    assert re.search("Warble", await page.title())
    assert await page.locator("img[src=x], main script").count() == 0


async def test_a_long_tag_leaves_the_right_column_its_width(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), path="/nowhere")
    page = window.page
    tag = "t" * 100

    async def answer(route: Route) -> None:
        tags = [{"tag": tag, "name": tag, "count": 3}]
        await route.fulfill(json={"result": True, "tags": tags})

    await page.route("**/api/tags*", answer)
    await page.goto("/")
    await expect(page.get_by_role("link", name=f"#{tag}")).to_be_visible()

    await expect(page.get_by_text("3 tweets", exact=True)).to_be_in_viewport(ratio=1)
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


async def test_the_page_can_be_installed_as_an_app(stack: Instance) -> None:
    async with httpx.AsyncClient(base_url=stack.gateway_url, timeout=PATIENCE_SECONDS) as browser:
        manifest = (await browser.get("/manifest.webmanifest")).json()
        pictures = [icon for icon in manifest["icons"] if icon["type"] == "image/png"]
        sizes = {}
        for icon in pictures:
            content = (await browser.get(icon["src"])).content
            sizes[icon["src"]] = "{}x{}".format(*Image.open(io.BytesIO(content)).size)

    assert sizes == {icon["src"]: icon["sizes"] for icon in pictures}
    assert set(sizes.values()) == {"192x192", "512x512"}
    assert "maskable" in [icon.get("purpose") for icon in pictures]


async def test_the_page_speaks_the_readers_language(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    for name in ("Bob", "Cid", "Dan", "Eve", "Fay"):
        await (await company.hire(name)).follow(ann)
    await ann.post("…")
    window = await opens(ann, path=f"/profile/{ann.id}", locale="ru-RU")
    page = window.page

    await expect(page.get_by_role("link", name="5 подписчиков", exact=True)).to_be_visible()
    await expect(window.tweets.get_by_text("сейчас").first).to_be_visible()
    assert await page.evaluate("document.documentElement.lang") == "ru"
    await page.get_by_role("button", name="Настройки").click()
    await page.get_by_text("English").click()
    await page.keyboard.press("Escape")
    await window.dialog_left_the_history()
    await expect(page.get_by_role("link", name="5 followers", exact=True)).to_be_visible()
    await page.reload()

    await expect(page.get_by_role("link", name="5 followers", exact=True)).to_be_visible()


async def test_words_that_cannot_be_fetched_leave_the_page_in_english(
    company: Company, opens: Opens
) -> None:
    page = (await opens(None, locale="ru-RU")).page
    await expect(page.get_by_label("Ваш ключ доступа")).to_be_visible()
    await page.route("**/assets/firstViewTexts.ru-*.js", lambda route: route.abort())
    await page.reload()

    await expect(page.get_by_label("Your access key")).to_be_visible()


async def test_all_can_be_done_by_keyboard(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    for number in range(3):
        await ann.post(f"number {number}.", [await ann.upload()])
    window = await opens(ann)
    page = window.page
    press = page.keyboard.press

    await expect(window.tweets).to_have_count(3)
    await press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    await press("Escape")
    await press("j")
    await press("j")
    await expect(window.tweet("number 1.")).to_be_focused()
    await press("l")
    await expect(window.tweet("number 1.").get_by_role("button", name="1 like")).to_be_visible()
    await press("o")
    await expect(page.get_by_role("dialog")).to_have_accessible_name("Picture 1 of 1")
    await press("Escape")
    await press("n")
    await page.keyboard.type("by keyboard, with n and l in it")
    await press("Control+Enter")
    await expect(window.tweet("by keyboard, with n and l in it")).to_be_visible()
    await press("g")
    await press("m")

    await expect(page).to_have_url(re.compile(f"/profile/{ann.id}$"))


async def test_the_theme_is_a_choice(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), color_scheme="light")
    page = window.page
    ground = "getComputedStyle(document.body.parentElement).backgroundColor"

    light = await page.evaluate(ground)
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_text("Dark", exact=True).click()
    dark = await page.evaluate(ground)
    await page.reload()
    await expect(page.get_by_role("main")).to_be_visible()

    assert light != dark
    assert await page.evaluate(ground) == dark


async def test_in_the_dark_what_lies_above_is_lighter(company: Company, opens: Opens) -> None:
    window = await opens(await company.hire("Ann"), color_scheme="dark")
    page = window.page
    await page.get_by_role("button", name="Settings").click()
    await expect(page.get_by_role("dialog")).to_be_visible()

    light: list[int] = await page.evaluate("""["html", "main", "dialog"].map((selector) => {
        const colour = getComputedStyle(document.querySelector(selector)).backgroundColor;
        return colour.match(/\\d+/g).map(Number).reduce((sum, channel) => sum + channel);
    })""")

    assert light == sorted(set(light))


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_only_what_is_pressed_moves_and_nothing_for_those_who_want_no_motion(
    company: Company, opens: Opens, motion: str
) -> None:
    ann = await company.hire("Ann")
    await ann.post("likeable")
    window = await opens(ann, reduced_motion=motion)
    heart = window.tweet("likeable").locator("button.like")
    beats = "0.18s" if motion == "no-preference" else "0s"

    async with window.page.expect_response("**/likes"):
        await heart.click()
        await expect(heart.locator("svg")).to_have_css("animation-duration", beats)
    await window.page.reload()
    await expect(heart).to_have_accessible_name("Unlike")

    await expect(heart.locator("svg")).to_have_css("animation-duration", "0s")


@pytest.mark.usefixtures("running_stack")
def test_the_first_script_is_small() -> None:
    index = (BUILT / "index.html").read_text()
    scripts = re.findall(r'(?:src|href)="/(assets/[^"]+\.js)"', index)

    assert scripts
    assert sum(_sent(BUILT / script) for script in scripts) < SCRIPT_BYTES


def _sent(script: Path) -> int:
    assert gzip.decompress(Path(f"{script}.gz").read_bytes()) == script.read_bytes()
    return Path(f"{script}.br").stat().st_size


async def test_the_page_works_where_nothing_may_be_kept(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    # Where nothing is kept, the page offers its first steps to whoever has not posted yet.
    await ann.post("before")
    window = await opens(ann)
    page = window.page
    await page.add_init_script(
        "for (const name of ['localStorage', 'indexedDB'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('no'); } })"
    )

    await page.reload()
    await window.posts(await window.writes("without a trace"))

    await expect(window.tweet("without a trace")).to_be_visible()
