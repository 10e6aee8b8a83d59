"""Every part of the page, in all its states, looks as it was accepted.

`web/gallery` shows the parts with people, tweets and a time that are always the same, in the page's
own font. A picture of each is compared with the accepted one in `tests/web/pictures`. `make
pictures` accepts what is shown now.
"""

import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageFilter
from playwright.async_api import Browser, Page, Route, async_playwright

from devstack import browser as installed
from devstack import web_build
from devstack.repository import REPOSITORY

ACCEPTED = Path(__file__).with_name("pictures")
SEEN = REPOSITORY / ".local" / "pictures"
IS_ACCEPTING = "WARBLE_ACCEPT_PICTURES" in os.environ
ADDRESS = "http://gallery.test/"
NOW = "2026-11-29T12:00:00Z"

DIFFERENCE = 40
"""From 0 to 255: what is less is the noise of another machine's arithmetic."""
DIFFERENT_PIXELS = 40
"""About a quarter of an icon. The pictures are softened first, so that the edges of letters, which
other versions of a library place a fraction of a pixel away, count less than shapes and colours."""

PARTS = (
    "tweets", "lists", "people", "writer", "controls", "notices",
    "announcements", "managed", "audit", "reports", "health",
)  # fmt: skip
DIALOGS = (
    "write", "likers", "profile", "settings", "access", "invite", "welcome", "erase",
    "shortcuts", "about", "pictures", "reply", "report", "hide", "announce", "add-person",
)  # fmt: skip
WIDE, NARROW = 600, 320
HIGH = 3800
"""Pictures that are far below the screen would not be loaded."""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    assert web_build.run("gallery", "--", "--outDir", str(folder), "--emptyOutDir") == 0
    return folder


@pytest.fixture(scope="module")
async def exact_browser() -> AsyncIterator[Browser]:
    """A browser that draws letters without regard to the settings of the machine."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=installed.chromium(),
            args=["--no-sandbox", "--font-render-hinting=none", "--disable-lcd-text"],
        )
        yield browser
        await browser.close()


async def opened(browser: Browser, gallery: Path, query: str, width: int, height: int) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    page = await context.new_page()

    async def file(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).partition("?")[0]
        await route.fulfill(path=gallery / (path or "index.html"))

    await page.route(f"{ADDRESS}**", file)
    await page.clock.set_fixed_time(NOW)
    await page.goto(f"{ADDRESS}?{query}")
    await page.locator("html[data-ready]").wait_for()
    return page


async def picture_of(page: Page, element: str) -> Image.Image:
    taken = await page.locator(element).screenshot(animations="disabled", caret="hide")
    return Image.open(io.BytesIO(taken)).convert("RGB")


def different_pixels(seen: Image.Image, accepted: Image.Image) -> int:
    soft = [image.filter(ImageFilter.BoxBlur(1)) for image in (seen, accepted)]
    red, green, blue = ImageChops.difference(*soft).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return sum(most.histogram()[DIFFERENCE:])


def differs(seen: Image.Image, name: str) -> str | None:
    """What to say of a picture that is not as it was accepted. Accepts it if that is wanted."""
    path = ACCEPTED / f"{name}.webp"
    accepted = Image.open(path).convert("RGB") if path.exists() else None
    is_same = accepted is not None and (
        seen.size == accepted.size and different_pixels(seen, accepted) <= DIFFERENT_PIXELS
    )
    if is_same:
        return None
    if IS_ACCEPTING:
        seen.save(path, lossless=True, quality=100, method=6)
        return None
    SEEN.mkdir(parents=True, exist_ok=True)
    seen.save(SEEN / f"{name}.png")
    return f"{SEEN / name}.png is not as {path}; `make accept-screenshots` accepts it"


async def compare_themes(page: Page, element: str, name: str) -> None:
    found = []
    for theme in ("light", "dark"):
        await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
        found.append(differs(await picture_of(page, element), f"{name}-{theme}"))
    await page.context.close()
    assert [message for message in found if message] == []


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_looks_as_it_was_accepted(
    exact_browser: Browser, gallery: Path, part: str
) -> None:
    page = await opened(exact_browser, gallery, f"part={part}", WIDE, HIGH)

    await compare_themes(page, "[role=status].notices" if part == "notices" else "main", part)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["tweets", "people", "writer", "managed", "reports"])
async def test_a_part_on_a_narrow_phone_looks_as_it_was_accepted(
    exact_browser: Browser, gallery: Path, part: str
) -> None:
    page = await opened(exact_browser, gallery, f"part={part}", NARROW, HIGH)

    await compare_themes(page, "main", f"{part}-narrow")


@pytest.mark.parametrize(
    "dialog", ["write", *(pytest.param(name, marks=pytest.mark.slow) for name in DIALOGS[1:])]
)
async def test_a_dialog_looks_as_it_was_accepted(
    exact_browser: Browser, gallery: Path, dialog: str
) -> None:
    page = await opened(exact_browser, gallery, f"dialog={dialog}", WIDE, 900)

    await compare_themes(page, "dialog", f"{dialog}-dialog")


def test_a_moved_icon_counts_and_noise_does_not() -> None:
    accepted = Image.new("RGB", (200, 100), "#ffffff")
    noisy = Image.effect_noise((200, 100), 8).convert("RGB")
    noisy = ImageChops.add(
        Image.blend(accepted, noisy, 0.1), Image.new("RGB", (200, 100), "#0c0c0c")
    )
    icon = accepted.copy()
    icon.paste("#5b6056", (20, 20, 36, 36))
    moved = accepted.copy()
    moved.paste("#5b6056", (24, 20, 40, 36))

    assert different_pixels(noisy, accepted) <= DIFFERENT_PIXELS
    assert different_pixels(icon, moved) > DIFFERENT_PIXELS
