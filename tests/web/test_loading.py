"""What the page asks for while it loads, and what moves meanwhile."""

import asyncio

from playwright.async_api import Browser, Request, Route, expect

from devstack.instance import Instance
from tests.waiting import eventually

from .conftest import Opens

TEXTS = {
    "English": "The new release is out. It finds people in both alphabets, and all can try it.",
    "Russian": "Новая версия вышла. Она находит людей в обоих алфавитах, и все могут попробовать.",
}
# The width in a font that stands in, as a share of that in Onest; null if it is not installed.
_WIDTHS = """async ([family, text]) => {
    if (![...document.fonts].some((face) => face.family.includes(family))) return 0;
    const loaded = await document.fonts.load(`1rem "${family}"`, text).catch(() => []);
    const canvas = document.createElement("canvas").getContext("2d");
    const width = (names) => {
        canvas.font = `100px ${names}`;
        return canvas.measureText(text).width;
    };
    return loaded.length ? width(`"${family}"`) / width("Onest") : null;
}"""


async def test_the_font_is_asked_for_before_there_is_text_to_show(
    browser: Browser, stack: Instance
) -> None:
    context = await browser.new_context(base_url=stack.gateway_url)
    page = await context.new_page()
    fonts: set[str] = set()

    def on_request(request: Request) -> None:
        if request.resource_type == "font":
            fonts.add(request.url)

    page.on("request", on_request)
    answered = asyncio.Event()

    async def hold(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route("**/api/**", hold)
    await page.goto("/")

    async def both_alphabets_are_loading() -> bool:
        return len(fonts) == 2

    await eventually(both_alphabets_are_loading)
    answered.set()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_lines_keep_their_words_when_the_font_arrives(opens: Opens) -> None:
    page = (await opens()).page
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await page.evaluate("document.fonts.load('1rem Onest', 'Aя')")

    widths = {
        (family, language): await page.evaluate(_WIDTHS, [family, text])
        for family in ("Onest Arial", "Onest DejaVu")
        for language, text in TEXTS.items()
    }

    installed = {which: width for which, width in widths.items() if width is not None}
    assert {which: width for which, width in installed.items() if abs(width - 1) > 0.025} == {}
