"""Pictures: small files in the feed, large ones when opened, and no layout shifts."""

import asyncio
import io
import random

import pytest
from PIL import Image
from playwright.async_api import FilePayload, Page, Response, Route, expect

from devstack.repository import REPOSITORY
from tests.journeys.company import Company
from tests.media import samples

from .conftest import Opens
from .visitor import hold_response

LONG = REPOSITORY / "tests" / "media" / "inputs" / "19-long-screenshot-1080x12000.png"

_SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifts += entry.value;
    }).observe({ type: "layout-shift", buffered: true });
}"""


def photograph(seed: int, width: int = 2400, height: int = 1600) -> bytes:
    """A picture with many details, like a photo, so that it does not compress well."""
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
    # Swiping scrolls the strip.
    await stage.get_by_role("list").evaluate(
        "strip => strip.scrollTo({left: 0, behavior: 'instant'})"
    )
    await expect(stage).to_have_accessible_name("Picture 1 of 3")
    await page.keyboard.press("Escape")

    await expect(stage).to_have_count(0)
    await expect(second).to_be_focused()


@pytest.mark.slow
async def test_a_feed_of_twenty_photographs_is_small_and_does_not_jump(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    photographs = await asyncio.gather(*(asyncio.to_thread(photograph, n) for n in range(20)))
    for number, content in enumerate(photographs):
        await ann.post(f"number {number} #photo{ann.id}", [await ann.upload(content)])
    window = await opens(ann, path="/people")
    page = window.page
    await page.add_init_script(f"({_SHIFTS})()")
    received: list[Response] = []

    def receive(response: Response) -> None:
        received.append(response)

    page.on("response", receive)
    suggestions = await _hold(page, "**/api/users*")
    second_page = await _hold(page, "**/api/tweets?*cursor=*")
    async with page.expect_response("**/api/tags?*"):
        await page.goto("/")
    await expect(window.tweets).to_have_count(20)
    await window.has_handled_responses()
    suggestions.set()
    await expect(page.get_by_role("heading", name="Hashtags of the week")).to_be_visible()
    await _scroll_through(page)
    await page.mouse.wheel(0, 10_000)
    second_page.set()
    await expect(page.get_by_text("You're all caught up")).to_be_visible()
    shown = await window.tweets.locator("img").evaluate_all("all => all.map((image) => image.src)")
    sizes = [len(await response.body()) for response in received if response.url in shown]

    assert len(sizes) == 20
    assert sum(sizes) < 1_000_000
    assert await page.evaluate("shifts") < 0.02


async def test_a_long_picture_shows_its_top_and_opens_as_a_whole_at_a_readable_width(
    company: Company, opens: Opens, screen: str
) -> None:
    ann = await company.hire("Ann")
    await ann.post("long", [await ann.upload(LONG.read_bytes())])
    window = await opens(ann, screen)
    tweet = window.tweet("long")
    shown = tweet.get_by_role("button", name="Open picture 1 of 1")

    await expect(tweet.get_by_text("Open the whole picture")).to_be_visible()
    thumbnail = shown.locator("img")
    await expect(thumbnail).to_have_js_property("complete", True)
    size = await thumbnail.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    await shown.click()
    whole = window.page.get_by_role("dialog").get_by_role("img")
    await expect(whole).to_have_js_property("naturalHeight", 12000)
    box = await whole.bounding_box()

    assert size == [720, 900]
    assert box is not None
    width = min(1080, window.page.viewport_size["width"])  # type: ignore[index]
    assert abs(box["width"] - width) <= 20
    assert abs(box["height"] - box["width"] * 12000 / 1080) <= 2
    await (
        window.page.get_by_role("dialog")
        .locator("figure")
        .evaluate("figure => figure.scrollTo({top: figure.scrollHeight, behavior: 'instant'})")
    )
    end = await whole.bounding_box()
    assert end is not None
    assert end["y"] + end["height"] <= window.page.viewport_size["height"] + 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("locale", "add", "sentence"),
    [
        ("en-GB", "Add pictures", "Pictures can be up to 10 MB; this one is 12.4 MB."),
        pytest.param(
            *("ru-RU", "Добавить картинки", "Картинка: не больше 10 МБ, а эта весит 12,4 МБ."),
            marks=pytest.mark.slow,  # Playwright takes seconds to send the file to the browser.
        ),
    ],
)
async def test_a_file_that_is_too_large_is_refused_with_both_sizes_once_the_texts_are_loaded(
    company: Company, opens: Opens, locale: str, add: str, sentence: str
) -> None:
    window = await opens(await company.hire("Ann"), locale=locale)
    page = window.page
    released = asyncio.Event()
    await page.route("**/assets/*Bundle-*.js", hold_response(released))
    await page.reload()

    await page.locator("input[type=file]").first.set_input_files(
        FilePayload(name="a.png", mimeType="image/png", buffer=bytes(12_400_000))
    )
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_text(sentence)).to_have_count(0)
    released.set()

    await expect(page.get_by_text(sentence)).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "post", "sentence"),
    [
        ("en-GB", "Post", "Animations can have up to 200 frames; this one has 201."),
        ("ru-RU", "Опубликовать", "В анимации может быть до 200 кадров, а в этой 201."),
    ],
)
async def test_a_limit_that_the_server_names_is_told_in_the_readers_language(
    company: Company, opens: Opens, locale: str, post: str, sentence: str
) -> None:
    window = await opens(await company.hire("Ann"), locale=locale)
    page = window.page
    content = samples.animation("GIF", frames=201)

    await page.get_by_role("textbox").first.fill("moving")
    file = FilePayload(name="a.gif", mimeType="image/gif", buffer=content)
    await page.locator("input[type=file]").first.set_input_files(file)
    await page.get_by_role("button", name=post, exact=True).click()

    await expect(page.get_by_role("alert")).to_have_text(sentence)


async def test_it_is_told_that_of_an_animated_png_one_frame_is_kept(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    form = await window.writes("moving")

    await window.attaches(form, ("a.png", samples.animation("PNG")))
    await form.get_by_role("button", name="Post", exact=True).click()

    await expect(window.page.get_by_text("only its first frame is kept")).to_be_visible()
    await expect(window.tweet("moving").locator("button img")).to_have_count(1)


async def _hold(page: Page, pattern: str) -> asyncio.Event:
    """Holds the responses back until the event is set."""
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await page.route(pattern, hold)
    return released


async def _scroll_through(page: Page) -> None:
    for picture in await page.get_by_role("article").locator("img").all():
        await picture.scroll_into_view_if_needed()
        await expect(picture).to_have_js_property("complete", True)


async def test_a_picture_that_is_not_loaded_yet_shows_its_colour(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (10, 120, 200)).save(out, "PNG")
    await ann.post("blue", [await ann.upload(out.getvalue())])
    window = await opens(ann, path="/people")
    page = window.page
    # Requests for pictures are never answered.
    await page.route("**/uploads/*", lambda route: None)
    await page.goto("/", wait_until="domcontentloaded")

    place = window.tweet("blue").get_by_role("button", name="Open picture 1 of 1")
    await expect(place).to_have_css("background-color", "rgb(10, 120, 200)")
