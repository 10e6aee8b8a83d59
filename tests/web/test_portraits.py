"""One's own profile: the picture, which is cut in the page, and the texts."""

import io
import secrets
from collections.abc import Awaitable, Callable

from PIL import Image
from playwright.async_api import FilePayload, Locator, Page, expect

from tests.journeys.company import Company, Person, until
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe
from .visitor import Visitor

RED, BLUE = (1, 0, 0), (0, 0, 1)


def halves() -> bytes:
    """A wide picture: red on the left, blue on the right."""
    image = Image.new("RGB", (800, 400), "red")
    image.paste("blue", (400, 0, 800, 400))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


async def edits(window: Visitor, person: Person) -> Locator:
    """The dialog in which a person edits the profile."""
    await window.page.goto(f"/profile/{person.id}")
    await window.page.get_by_role("button", name="Edit profile").click()
    dialog = window.page.get_by_role("dialog", name="Edit profile")
    await expect(dialog).to_be_visible()
    return dialog


async def chooses(dialog: Locator, content: bytes, name: str = "face.png") -> None:
    file = FilePayload(name=name, mimeType="image/png", buffer=content)
    await dialog.locator("input[type=file]").set_input_files(file)


def cut(dialog: Locator) -> Locator:
    return dialog.get_by_role("application", name="Part of the picture that is shown")


async def saves(dialog: Locator) -> None:
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_have_count(0)


async def colours(company: Company, person: Person, last: object = None) -> list[tuple[int, ...]]:
    """The colours at the left and right edge of the person's picture, once it is not `last`."""

    async def picture() -> dict[str, str] | None:
        profile = (await person.done("GET", f"/api/users/{person.id}"))["user"]
        paths: dict[str, str] | None = profile.get("picture")
        return paths if paths and paths != last else None

    paths = await eventually(picture)
    content = (await company.http.get(paths["large"])).content
    image = Image.open(io.BytesIO(content)).convert("RGB")
    assert image.width == image.height
    edges = [image.getpixel((x, image.height // 2)) for x in (4, image.width - 5)]
    return [tuple(round(part / 255) for part in edge) for edge in edges]  # type: ignore[union-attr]


def is_loaded(image: Locator) -> Callable[[], Awaitable[bool]]:
    async def loaded() -> bool:
        if not await image.count():
            return False
        return bool(await image.first.evaluate("image => image.complete && image.naturalWidth > 0"))

    return loaded


async def test_the_keyboard_cuts_a_picture_which_is_then_shown_to_everybody(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, boris = await company.hire("Ann Kim"), await company.hire("Boris")
    await boris.follow(ann)
    await ann.post("with a face")
    window = await opens(ann, screen)
    dialog = await edits(window, ann)
    await chooses(dialog, halves())
    await expect(cut(dialog).locator("img")).to_be_visible()
    found = await axe(window.page)

    for _ in range(12):
        await cut(dialog).press("ArrowLeft")
    await saves(dialog)

    assert found == []
    own = window.page.get_by_role("main").locator("header .avatar img")
    await eventually(is_loaded(own))
    assert await colours(company, ann) == [RED, RED]
    await until(boris, lambda feed: feed and feed[0]["author"].get("picture"))
    other = await opens(boris, screen)
    await eventually(is_loaded(other.tweet("with a face").locator(".avatar img")))
    await other.page.goto(f"/profile/{boris.id}/following")
    await eventually(is_loaded(other.page.get_by_role("main").locator("li .avatar img")))


async def test_notifications_show_the_pictures_of_those_who_acted(
    company: Company, opens: Opens, screen: str
) -> None:
    ann, boris = await company.hire("Ann Kim"), await company.hire("Boris")
    paths = await boris.show_picture(halves())
    await boris.like(await ann.post("with a like"))

    async def pictures() -> bool:
        groups = (await ann.done("GET", "/api/notifications"))["notifications"]
        shown = {"small": paths["small"], "medium": paths["medium"]}
        return [one.get("picture") for group in groups for one in group["people"]] == [shown]

    await eventually(pictures)
    window = await opens(ann, screen, "/notifications")

    await eventually(is_loaded(window.page.locator("#notifications .avatar img")))


async def test_a_picture_is_dragged_enlarged_replaced_and_removed(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann Kim")
    first = await ann.show_picture(halves())
    window = await opens(ann)
    dialog = await edits(window, ann)
    await chooses(dialog, halves())
    await drags(window.page, cut(dialog), -200)
    await saves(dialog)
    assert await colours(company, ann, first) == [BLUE, BLUE]

    second = (await ann.done("GET", f"/api/users/{ann.id}"))["user"]["picture"]
    dialog = await edits(window, ann)
    await chooses(dialog, halves())
    await dialog.get_by_role("slider", name="Zoom").fill("4")
    await drags(window.page, cut(dialog), 60)
    await saves(dialog)
    # A quarter of the width is shown, a little to the left of the middle.
    assert await colours(company, ann, second) == [RED, BLUE]

    dialog = await edits(window, ann)
    await dialog.get_by_role("button", name="Remove").click()
    await saves(dialog)
    await expect(window.page.get_by_role("main").locator("header .avatar")).to_have_text("AK")

    async def has_none() -> bool:
        return "picture" not in (await ann.done("GET", f"/api/users/{ann.id}"))["user"]

    await eventually(has_none)


async def drags(page: Page, handle: Locator, right: int) -> None:
    await expect(handle.locator("img")).to_be_visible()
    box = await handle.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + right, y, steps=5)
    await page.mouse.up()


async def test_a_file_that_is_no_picture_is_refused_before_it_is_sent(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    ann = window.page.get_by_role("link", name="Profile").first
    await ann.click()
    await window.page.get_by_role("button", name="Edit profile").click()
    dialog = window.page.get_by_role("dialog", name="Edit profile")

    await chooses(dialog, b"no picture", "face.png")

    await expect(dialog.get_by_role("alert")).to_have_text(
        "This file can't be opened as a picture."
    )
    await expect(dialog.get_by_role("button", name="Save")).to_be_enabled()


async def test_a_profile_says_what_a_person_does_and_where(company: Company, opens: Opens) -> None:
    ann, boris = await company.hire("Ann Kim"), await company.hire("Boris")
    window = await opens(ann)
    dialog = await edits(window, ann)
    await dialog.get_by_role("textbox", name="About yourself").fill("Coffee & <b>bridges</b>")
    await dialog.get_by_role("textbox", name="Title").fill("Engineer")
    await dialog.get_by_role("textbox", name="Department").fill("Bridges")
    await saves(dialog)

    other = await opens(boris, path=f"/profile/{ann.id}")
    for page in (window.page, other.page):
        main = page.get_by_role("main")
        await expect(main.get_by_text("Coffee & <b>bridges</b>", exact=True)).to_be_visible()
        await expect(main.get_by_text("Engineer · Bridges", exact=True)).to_be_visible()
    dialog = await edits(window, ann)
    await dialog.get_by_role("textbox", name="Department").fill("")
    await saves(dialog)
    main = window.page.get_by_role("main")
    await expect(main.get_by_text("Engineer", exact=True)).to_be_visible()


async def test_namesakes_are_told_apart_by_their_departments(
    company: Company, opens: Opens
) -> None:
    name = f"Zora {secrets.token_hex(4)}"
    first, second = await company.hire(name), await company.hire(name)
    for person, department in ((first, "Bridges"), (second, "Tunnels")):
        await person.done("PATCH", f"/api/users/{person.id}", json={"department": department})
    window = await opens(await company.hire("Ann"))

    form = await window.writes("")
    await form.get_by_role("textbox", name="What's new?").press_sequentially(f"@{name}")
    # Those whose names are alike are found too.
    options = window.page.get_by_role("option").filter(has_text=name)

    await expect(options.filter(has_text="Bridges")).to_have_count(1)
    await expect(options.filter(has_text="Tunnels")).to_have_count(1)
    await window.page.goto("/people")
    main = window.page.get_by_role("main")
    await main.get_by_role("searchbox").fill(name)
    # The right column may suggest the same person.
    found = main.get_by_role("listitem").filter(has_text=name)
    await expect(found.filter(has_text="Tunnels")).to_have_count(1)
