"""A visit without a network shows a page that says so, and nothing is ever kept for it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from devstack.instance import Instance
from devstack.web_build import BUILT
from tests.journeys.company import Company
from tests.other_gateway import gateway_beside
from tests.waiting import eventually

from .conftest import Opens

WORKER = "service-worker.js"
_IS_ACTIVE = "navigator.serviceWorker.ready.then(({ active }) => active.state === 'activated')"
_REGISTERED = "navigator.serviceWorker.getRegistrations().then((all) => all.length)"


async def is_active(page: Page) -> None:
    async def has_worker() -> bool:
        return bool(await page.evaluate(_IS_ACTIVE))

    await eventually(has_worker)


@pytest.mark.parametrize(
    ("locale", "heading", "again"),
    [("en-GB", "You're offline", "Try again"), ("ru-RU", "Нет связи", "Попробовать ещё раз")],
)
async def test_a_visit_without_a_network_says_so_and_goes_on_by_itself(
    company: Company, opens: Opens, locale: str, heading: str, again: str
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann, service_workers="allow", locale=locale)
    page = window.page
    await is_active(page)

    await page.context.set_offline(True)
    await page.goto("/people")
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    await page.get_by_role("button", name=again).click()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert await page.evaluate("caches.keys()") == []
    await page.context.set_offline(False)

    await expect(page.get_by_role("main").get_by_role("searchbox")).to_be_visible()


async def test_another_page_at_the_same_address_is_rid_of_it(
    browser: Browser, stack: Instance, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>Another page</title>")
    shutil.copy(BUILT / WORKER, tmp_path)
    async with gateway_beside(stack, unused_tcp_port_factory, GATEWAY_WEB_DIR=str(tmp_path)) as url:
        context = await browser.new_context(base_url=url)
        page = await context.new_page()
        await page.goto("/")
        await page.evaluate(f"navigator.serviceWorker.register('/{WORKER}')")
        await is_active(page)
        await page.reload()
        assert await page.evaluate(_REGISTERED) == 1

        (tmp_path / WORKER).unlink()
        await page.reload()

        async def has_none() -> bool:
            return bool(await page.evaluate(_REGISTERED) == 0)

        await eventually(has_none)
