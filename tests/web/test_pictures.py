"""Pictures: light in the feed, large when they are opened, and nothing jumps."""

import asyncio
import io
import random

from PIL import Image
from playwright.async_api import Page, Response, expect

from tests.journeys.company import Company

from .conftest import Opens

_SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifts += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
}"""


def photograph(seed: int, width: int = 2400, height: int = 1600) -> bytes:
    """Of many details, as a camera's are: it does not compress well."""
    rough = random.Random(seed).randbytes(width // 4 * (height // 4) * 3)
    image = Image.frombytes("RGB", (width // 4, height // 4), rough)
    out = io.BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


async def test_pictures_open_large_with_arrows_swipe_and_escape(
    company: Company, opens: Opens, screen: str
) -> None:
    ann = await company.hire("Ann")
    await ann.post("three", [await ann.upload() for _ in range(3)])
    window = await opens(ann, screen)
    page = window.page
    stage = page.get_by_role("dialog")

    second = window.tweet("three").get_by_role("button", name="Open picture 2 of 3")
    await second.click()
    await expect(stage).to_have_accessible_name("Picture 2 of 3")
    await page.keyboard.press("ArrowRight")
    await expect(stage).to_have_accessible_name("Picture 3 of 3")
    await stage.get_by_role("button", name="Previous picture").click()
    await expect(stage).to_have_accessible_name("Picture 2 of 3")
    # A finger scrolls the strip.
    await stage.get_by_role("list").evaluate(
        "strip => strip.scrollTo({left: 0, behavior: 'instant'})"
    )
    await expect(stage).to_have_accessible_name("Picture 1 of 3")
    await page.keyboard.press("Escape")

    await expect(stage).to_have_count(0)
    await expect(second).to_be_focused()


async def test_a_feed_of_twenty_photographs_is_small_and_does_not_jump(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    photographs = await asyncio.gather(*(asyncio.to_thread(photograph, n) for n in range(20)))
    for number, content in enumerate(photographs):
        await ann.post(f"number {number}", [await ann.upload(content)])
    window = await opens(ann)
    page = window.page
    await page.add_init_script(f"({_SHIFTS})()")
    received: list[Response] = []

    def receive(response: Response) -> None:
        received.append(response)

    page.on("response", receive)

    await page.reload()
    await expect(window.tweets).to_have_count(20)
    await _scroll_through(page)
    pictures = [response for response in received if "/uploads/" in response.url]
    sizes = [len(await response.body()) for response in pictures]

    assert len(sizes) == 20
    assert sum(sizes) < 1_000_000
    assert await page.evaluate("shifts") < 0.02


async def _scroll_through(page: Page) -> None:
    for picture in await page.get_by_role("article").locator("img").all():
        await picture.scroll_into_view_if_needed()
        await expect(picture).to_have_js_property("complete", True)
