"""The reader's own keys and sessions, and the erasure of the own account."""

import re

import httpx
from playwright.async_api import Page, expect

from devstack.instance import Instance
from tests.journeys.company import Company
from tests.waiting import PATIENCE_SECONDS, eventually

from .conftest import Opens


async def open_access(page: Page) -> None:
    await page.get_by_role("button", name="Settings").first.click()
    await page.get_by_role("button", name="Keys and devices").click()


async def test_one_makes_a_key_that_is_shown_once_and_revokes_it(
    company: Company, opens: Opens, stack: Instance
) -> None:
    ann = await company.hire("Ann")
    page = (await opens(ann, "phone")).page
    await open_access(page)
    form = page.get_by_role("form", name="New key")
    await form.get_by_label("What is it for?").fill("Nightly report")
    await form.get_by_label("What it may do").select_option("Read")
    await form.get_by_role("button", name="Create key").click()

    shown = page.get_by_role("textbox", name="New key")
    await expect(shown).to_be_focused()
    key = await shown.input_value()
    async with httpx.AsyncClient(
        base_url=stack.gateway_url, headers={"api-key": key}, timeout=PATIENCE_SECONDS
    ) as script:
        assert (await script.get("/api/users/me")).status_code == 200

        await page.get_by_role("button", name="Revoke: Nightly report").click()
        await expect(page.get_by_text("This can't be undone")).to_be_visible()
        await page.get_by_role("button", name="Revoke", exact=True).click()
        await expect(page.get_by_role("heading", name="Access keys")).to_be_focused()
        await expect(page.get_by_text("Nightly report")).to_have_count(0)

        async def is_refused() -> bool:
            return (await script.get("/api/users/me")).status_code == 401

        await eventually(is_refused)


async def test_one_signs_out_of_another_browser(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    lost = (await opens(ann, user_agent="Mozilla/5.0 (Windows NT 10.0) Firefox/140.0")).page
    page = (await opens(ann)).page
    await open_access(page)

    await page.get_by_role("button", name="Sign out: Firefox on Windows").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out", exact=True).click()

    await expect(page.get_by_text("Firefox on Windows")).to_have_count(0)
    await expect(page.get_by_text("This browser")).to_be_visible()
    await lost.reload()
    await expect(lost.get_by_label("Your access key")).to_be_visible()


async def test_a_key_that_allows_too_little_is_refused_with_a_reason(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    draft = {"name": "phone", "scope": "write"}
    weak = await ann.done("POST", f"/api/users/{ann.id}/keys", json=draft)
    page = (await opens(type(ann)(ann.id, ann.name, weak["api_key"], ann.http))).page
    await open_access(page)
    form = page.get_by_role("form", name="New key")
    await form.get_by_label("What is it for?").fill("More than I may")
    await form.get_by_label("What it may do").select_option("account")
    await form.get_by_role("button", name="Create key").click()

    await expect(form.get_by_role("alert")).to_contain_text("a key that allows less")
    await expect(form.get_by_label("What is it for?")).to_have_value("More than I may")


async def test_one_erases_ones_account_after_typing_ones_name(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann Gone")
    page = (await opens(ann)).page
    await page.get_by_role("button", name="Settings").first.click()
    await page.get_by_role("button", name="Erase my account").click()
    dialog = page.get_by_role("dialog", name="Erase my account")
    erase = dialog.get_by_role("button", name="Erase my account")
    await dialog.get_by_label(re.compile("Type your name")).fill("Ann")
    await expect(erase).to_be_disabled()
    await dialog.get_by_label(re.compile("Type your name")).fill("Ann Gone")
    await erase.click()

    await expect(page.get_by_label("Your access key")).to_be_visible()
    assert (await ann.ask("GET", "/api/users/me")).status_code == 401
