"""Signing in and out: no script of the page can read the key afterwards."""

import asyncio
import re
import zipfile

from playwright.async_api import expect

from tests.journeys.company import Company

from .conftest import Opens
from .visitor import hold_response

_READABLE = """() => JSON.stringify([
    {...localStorage}, {...sessionStorage}, document.cookie, document.documentElement.outerHTML
])"""


async def test_a_key_is_exchanged_for_a_session_that_no_script_can_read(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens()
    page = window.page

    await page.get_by_label("Your access key").fill("not a key")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("That key isn't valid")
    await page.get_by_label("Your access key").fill(f" {ann.key} ")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("You don't follow anyone yet")).to_be_visible()
    await page.reload()
    await expect(page.get_by_text("You don't follow anyone yet")).to_be_visible()

    assert ann.key not in await page.evaluate(_READABLE)
    (session,) = [c for c in await page.context.cookies() if c["name"] == "warble_session"]
    assert session["httpOnly"]
    assert session["sameSite"] == "Strict"
    assert ann.key not in session["value"]


async def test_who_signs_out_is_out(company: Company, opens: Opens, screen: str) -> None:
    window = await opens(await company.hire("Ann"), screen)
    page = window.page

    await page.get_by_role("button", name="Settings").click()
    # The page opens anew.
    async with page.expect_navigation():
        await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Your access key")).to_be_visible()
    await page.goto("/people")

    await expect(page.get_by_label("Your access key")).to_be_visible()


async def test_a_page_that_learns_early_that_it_is_signed_out_deletes_its_drafts_too(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    noticed = asyncio.Event()

    await window.writes("nobody else may read this")
    await page.wait_for_function("Object.values(localStorage).join().includes('nobody else')")
    await page.get_by_role("button", name="Settings").click()
    await page.route("**/api/session", hold_response(noticed))
    async with page.expect_navigation():
        await page.get_by_role("button", name="Sign out").click()
        # The event stream tells the page of the end of its session before the call has returned.
        await expect(page.get_by_label("Your access key")).to_be_visible()
        noticed.set()

    await expect(page.get_by_label("Your access key")).to_be_visible()
    assert "nobody else may read this" not in await page.evaluate(_READABLE)


async def test_a_revoked_key_ends_the_session_and_costs_no_draft(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page
    form = await window.writes("nearly finished")

    await expect(form.get_by_role("button", name="Post")).to_be_enabled()
    await company.administrator.done("DELETE", f"/api/users/{ann.id}/key")
    await expect(page.get_by_label("Your access key")).to_be_visible()
    new = await company.administrator.done("POST", f"/api/users/{ann.id}/key")
    await page.get_by_label("Your access key").fill(new["api_key"])
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("textbox", name="What's new?")).to_have_value("nearly finished")


async def test_another_site_can_neither_write_nor_frame(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    bob = await company.hire("Bob")
    window = await opens(ann)
    page = window.page
    response = await page.request.get("/")

    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert "unsafe-inline" not in response.headers["content-security-policy"]
    follow = f"{window.host}/api/users/{bob.id}/follow"
    # To a browser, localhost and 127.0.0.1 are different sites.
    await page.goto(re.sub(r"127\.0\.0\.1", "localhost", window.host) + "/openapi.json")
    async with page.expect_navigation() as gone:
        await page.evaluate(
            """url => {
                const form = document.body.appendChild(document.createElement("form"));
                form.method = "post"; form.action = url; form.submit();
            }""",
            follow,
        )
    assert (answered := await gone.value)
    assert answered.status in (401, 403)
    window.troubles.clear()

    assert (await ann.done("GET", "/api/users/me"))["user"]["following"] == []


async def test_who_leaves_can_take_along_what_is_theirs(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await ann.post("To be kept")
    window = await opens(ann)
    page = window.page

    await page.get_by_role("button", name="Settings").click()
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="Download your data").click()
    download = await coming.value

    assert download.suggested_filename == f"warble-{ann.id}.zip"
    with zipfile.ZipFile(await download.path()) as archive:
        assert "To be kept" in archive.read("tweets.json").decode()
    await expect(page.get_by_role("dialog")).to_be_visible()
