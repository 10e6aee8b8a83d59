"""What people do with the page. Elements are found by their visible texts, as people find them."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import (
    ConsoleMessage,
    Error,
    FilePayload,
    Locator,
    Page,
    Request,
    Response,
    Route,
    expect,
)

from tests.waiting import eventually

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "is_mobile": True,
        "has_touch": True,
        "device_scale_factor": 2,
    },
    "narrow": {"viewport": {"width": 320, "height": 640}, "is_mobile": True, "has_touch": True},
}


def hold_response(released: asyncio.Event) -> Callable[[Route], Awaitable[None]]:
    """A handler for `page.route`: the server handles the request at once, and the page gets the
    response when `released` is set."""

    async def hold(route: Route) -> None:
        response = await route.fetch()
        await released.wait()
        await route.fulfill(response=response)

    return hold


@asynccontextmanager
async def unreadable(page: Page, text: str) -> AsyncIterator[None]:
    """Leaves tweets with this text out of all responses, as if the feed did not have them yet.

    At the end it removes all routes of the page."""

    async def leave_out(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        body["tweets"] = [tweet for tweet in body["tweets"] if text not in tweet["content"]]
        await route.fulfill(response=response, json=body)

    await page.route("**/api/tweets?*", leave_out)
    yield
    await page.unroute_all(behavior="wait")


class Visitor:
    """A person's browser window.

    `troubles` lists errors that no window may have, `refusals` the requests that failed.
    """

    def __init__(self, page: Page, screen: str, host: str) -> None:
        self.page = page
        self.screen = screen
        self.troubles: list[str] = []
        self.refusals: list[str] = []
        self.host = host
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failed_request)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if re.search("Content.Security.Policy|TrustedHTML", message.text):
            self.troubles.append(message.text)

    def _on_error(self, error: Error) -> None:
        self.troubles.append(str(error))

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.host, "blob:", "data:")):
            self.troubles.append(f"asked {request.url}")

    def _on_failed_request(self, request: Request) -> None:
        self.refusals.append(f"{request.failure} {request.method} {request.url}")

    def _on_response(self, response: Response) -> None:
        if not response.ok:
            request = response.request
            self.refusals.append(f"{response.status} {request.method} {request.url}")

    async def describe(self) -> str:
        """What the window shows, and which requests failed."""
        shown = await self.page.locator("body").aria_snapshot()
        return "\n".join([self.page.url, shown, *self.refusals])

    def tweet(self, text: str) -> Locator:
        return self.page.get_by_role("article").filter(has_text=text)

    @property
    def tweets(self) -> Locator:
        return self.page.get_by_role("article")

    async def writes(self, text: str = "") -> Locator:
        """The form for a new tweet, with the text filled in."""
        if self.screen != "wide":
            await self.page.get_by_role("button", name="Write").click()
        form = self.page.get_by_role("form", name="New tweet").filter(visible=True)
        if text:
            await form.get_by_role("textbox", name="What's new?").fill(text)
        return form

    async def attaches(self, form: Locator, *pictures: tuple[str, bytes]) -> None:
        files = [
            FilePayload(name=name, mimeType="image/png", buffer=content)
            for name, content in pictures
        ]
        await form.locator("input[type=file]").set_input_files(files)

    async def has_stored_pictures(self) -> None:
        """Waits until the page has stored the pictures of a draft, which a reload would abort."""

        async def are_stored() -> bool:
            stored: bool = await self.page.evaluate("""() => new Promise((resolve) => {
                const opening = indexedDB.open("keyval-store");
                opening.onsuccess = () => {
                    const counting = opening.result.transaction("keyval")
                        .objectStore("keyval").count();
                    counting.onsuccess = () => resolve(counting.result > 0);
                };
            })""")
            return stored

        await eventually(are_stored)

    async def posts(self, form: Locator) -> None:
        await form.get_by_role("button", name="Post").click()
        await expect(self.page.get_by_text("Tweet posted")).to_be_visible()
        await self.dialog_left_the_history()

    async def deletes(self, tweet: Locator) -> None:
        await tweet.get_by_role("button", name="More actions").click()
        await self.page.get_by_role("menuitem", name="Delete").click()

    async def dialog_left_the_history(self) -> None:
        """Closing a dialog goes back in the history, which would abort a `goto` or a `reload`."""

        async def is_gone() -> bool:
            return not await self.page.evaluate("history.state?.dialog")

        await eventually(is_gone)

    async def has_handled_responses(self) -> None:
        """Waits until the page has handled the responses that it has received."""
        await self.page.evaluate("fetch('/favicon.svg').then((response) => response.text())")

    async def scrolled(self) -> float:
        at: float = await self.page.evaluate("scrollY")
        return at
