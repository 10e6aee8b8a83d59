"""Takes the screenshots in docs/images: the web page as a person of the example company sees it.

It starts a separate instance, adds the example data of `make demo`, and stops the instance again.
"""

import asyncio
import io
import os
import sys
from typing import Any

from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, async_playwright, expect

from devstack import browser
from devstack.instance import Instance
from devstack.repository import REPOSITORY, run_module
from operate.terminal import CommandFailed, print_error, step
from tools.seed import pictures
from tools.seed.demo import KEY

IMAGES = REPOSITORY / "docs" / "images"
SETTINGS = {
    "WARBLE_HOME": ".local/screenshots",
    "WARBLE_PORT": os.environ.get("WARBLE_SCREENSHOTS_PORT", "17500"),
    "WARBLE_ENV_FILE": "",
}
WIDE = {"viewport": {"width": 1280, "height": 860}, "device_scale_factor": 1.5}
PHONE = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}


_PICTURES_ARE_SHOWN = """
[...document.images].every((image) => {
    const box = image.getBoundingClientRect();
    return box.bottom < 0 || box.top > innerHeight || (image.complete && image.naturalWidth > 0);
})
"""


async def _signed_in_page(chromium: Browser, url: str, **options: Any) -> Page:
    settings = {"locale": "en-GB", "color_scheme": "light", "reduced_motion": "reduce", **options}
    context = await chromium.new_context(base_url=url, **settings)
    await context.request.post("/api/session", data={"api_key": KEY})
    page = await context.new_page()
    await page.goto("/")
    await expect(page.get_by_role("article").first).to_be_visible()
    return page


async def _take(page: Page, name: str) -> None:
    await page.wait_for_load_state("networkidle")
    # The page forbids `eval`, and with it `wait_for_function`.
    while not await page.evaluate(_PICTURES_ARE_SHOWN):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await page.evaluate("document.fonts.ready")
    screenshot = Image.open(io.BytesIO(await page.screenshot()))
    # A palette of 256 colours makes the file three times smaller without a visible difference.
    screenshot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        IMAGES / f"{name}.png", optimize=True
    )


async def _take_all(executable: str | None, url: str) -> None:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox"]
        )
        page = await _signed_in_page(chromium, url, **WIDE)
        await _take(page, "home")
        await page.get_by_role("link", name="Chiara Rossi").first.click()
        await _take(page, "profile")
        await page.get_by_role("button", name="Write").click()
        form = page.get_by_role("dialog").get_by_role("form")
        await form.get_by_role("textbox", name="What's new?").fill(
            "Two ways to see one building: the plan that we drew and the light that came by itself."
        )
        await form.locator("input[type=file]").set_input_files(
            [
                FilePayload(name=f"{name}.webp", mimeType="image/webp", buffer=pictures.read(name))
                for name in ("plan", "morning")
            ]
        )
        await form.get_by_label("Description of picture 1").fill(pictures.DESCRIPTIONS["plan"])
        await _take(page, "writing")

        page = await _signed_in_page(chromium, url, **WIDE, color_scheme="dark", locale="ru-RU")
        await expect(page.get_by_role("article").first).to_be_visible()
        await _take(page, "dark")
        page = await _signed_in_page(chromium, url, **PHONE)
        await _take(page, "phone")
        await page.get_by_role("article").get_by_role("button", name="Poster").first.click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await _take(page, "phone-pictures")
        await chromium.close()


def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    try:
        executable = browser.chromium()
        browser.fonts()
    except CommandFailed as error:
        print_error(str(error))
        return 1
    run_module("devstack", "up", **SETTINGS)
    try:
        run_module("tools.seed.demo", **SETTINGS)
        with step("screenshots"):
            url = Instance(REPOSITORY, int(SETTINGS["WARBLE_PORT"]), SETTINGS).gateway_url
            asyncio.run(_take_all(executable, url))
    finally:
        run_module("devstack", "down", **SETTINGS)
    print(f"The screenshots are in {IMAGES.relative_to(REPOSITORY)}. Check them before you commit.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
