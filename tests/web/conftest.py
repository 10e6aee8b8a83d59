"""A real browser on the running system, with a window per person."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright, expect

from devstack import browser as installed
from devstack.instance import Instance
from tests.journeys.company import Person
from tests.waiting import PATIENCE_SECONDS

from .visitor import SCREENS, Visitor

_NO_NEWCOMER = """try {
    localStorage["warble.welcomed.%d"] = "yes";
    localStorage["warble.scope"] ??= "following";
} catch {}"""

Opens = Callable[..., Awaitable[Visitor]]


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser process for all tests, because starting it with its driver takes seconds."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=installed.headless(),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """The shared browser. Each test opens contexts of its own, which this fixture closes."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@pytest.fixture(params=["wide", pytest.param("phone", marks=pytest.mark.slow)])
def screen(request: pytest.FixtureRequest) -> str:
    """Both screens, for tests of what is laid out differently on them; the phone in `test-slow`.

    `parametrize("screen", ["wide", "phone"])` in place of this fixture takes both in `make test`.
    """
    name: str = request.param
    return name


@pytest.fixture
async def opens(
    browser: Browser, stack: Instance, request: pytest.FixtureRequest
) -> AsyncIterator[Opens]:
    """`await opens(ann, screen="phone")` gives a window in which Ann is signed in.

    Unless she is a `newcomer`, the window has been used before: it shows no first steps, and Home
    shows the people whom she follows even if she follows nobody.

    Afterwards no window has asked another host, broken the page's policy, or thrown an error. After
    a failed test the report says what the windows show.
    """
    visitors: list[Visitor] = []

    async def open_window(
        person: Person | None = None,
        screen: str = "wide",
        path: str = "/",
        *,
        newcomer: bool = False,
        **options: Any,
    ) -> Visitor:
        settings = {
            "locale": "en-GB",
            "base_url": stack.gateway_url,
            # It would hide requests from the routes of a test.
            "service_workers": "block",
            **SCREENS[screen],
            **options,
        }
        context = await browser.new_context(**settings)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        visitor = Visitor(await context.new_page(), screen, stack.gateway_url)
        visitors.append(visitor)
        if person is not None:
            entered = await context.request.post("/api/session", data={"api_key": person.key})
            assert entered.ok, await entered.text()
            if not newcomer:
                user_id = (await entered.json())["user_id"]
                await context.add_init_script(_NO_NEWCOMER % user_id)
        await visitor.page.goto(path)
        return visitor

    yield open_window
    if request.node.stash.get(_FAILED, False):
        for visitor in visitors:
            request.node.add_report_section("teardown", "window", await visitor.describe())
    # A route handler that still runs when its page is closed would raise an error in the next test.
    for visitor in visitors:
        for page in visitor.page.context.pages:
            await page.unroute_all(behavior="ignoreErrors")
    assert [trouble for visitor in visitors for trouble in visitor.troubles] == []
