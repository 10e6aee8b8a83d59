"""How soon Home is shown in a browser, how much it moves, and how many bytes it needs."""

import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

from PIL import Image
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, async_playwright

from bench.fixture import Fixture
from devstack import browser as installed

PICTURES = 3
_TWEETS_SHOWN = 20
_SETTLED_MS = 500
_PATIENCE_MS = 120_000

NETWORKS: dict[str, dict[str, float] | None] = {
    "this machine": None,
    # What Lighthouse calls a mid-tier phone on slow 4G.
    "slow phone": {"latency_ms": 150, "bytes_a_second": 1_638_400 / 8, "cpu_slowdown": 4},
}

# The reader follows people in the feed's tables only, so the page would take the reader for new.
_BEFORE = """(() => {
    localStorage["warble.welcomed.%d"] = "yes";
    localStorage["warble.scope"] = "following";
    window.seen = {largest: 0, shift: 0, tweets: null};
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) seen.largest = entry.startTime;
    }).observe({type: "largest-contentful-paint", buffered: true});
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
    new MutationObserver((_, observer) => {
        if (document.querySelectorAll("article").length < %d) return;
        seen.tweets = performance.now();
        observer.disconnect();
    }).observe(document, {childList: true, subtree: true});
})()"""
_AFTER = """() => ({
    first_paint_ms: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    largest_paint_ms: seen.largest,
    tweets_ms: seen.tweets,
    shift: seen.shift,
})"""


async def measure(fixture: Fixture) -> dict[str, Any]:
    """Medians by network, for a first visit and for a visit with a filled cache."""
    await fixture.ordinary()
    await _post_pictures(fixture)
    found: dict[str, Any] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=installed.chromium(), args=["--no-sandbox"]
        )
        for network, limits in NETWORKS.items():
            rounds = [await _visits(fixture, browser, limits) for _ in range(fixture.sizes.rounds)]
            for visit in ("first visit", "again"):
                name = f"{network}, {visit}"
                found[name] = _medians([one[visit] for one in rounds])
                fixture.say(
                    f"{name}: first paint {found[name]['first_paint_ms']:.0f} ms, tweets"
                    f" {found[name]['tweets_ms']:.0f} ms, {found[name]['bytes'] / 1000:.0f} kB"
                )
        await browser.close()
    return found


async def _post_pictures(fixture: Fixture) -> None:
    for number in range(PICTURES):
        out = io.BytesIO()
        Image.effect_noise((1600, 1000), 40 + number).save(out, "JPEG")
        media_id = await fixture.reader.upload(out.getvalue(), "picture.jpg")
        await fixture.reader.post(media_ids=[media_id])
    await fixture.settled()


async def _visits(
    fixture: Fixture, browser: Browser, limits: dict[str, float] | None
) -> dict[str, dict[str, Any]]:
    async with _signed_in(fixture, browser) as context:
        return {
            "first visit": await _visit(context, limits),
            "again": await _visit(context, limits),
        }


@asynccontextmanager
async def _signed_in(fixture: Fixture, browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(
        base_url=fixture.system.gateway_url,
        viewport={"width": 390, "height": 844},
        locale="en-GB",
    )
    response = await context.request.post("/api/session", data={"api_key": fixture.reader.key})
    assert response.ok, await response.text()
    await context.add_init_script(_BEFORE % (fixture.reader.id, _TWEETS_SHOWN))
    yield context
    await context.close()


async def _visit(context: BrowserContext, limits: dict[str, float] | None) -> dict[str, Any]:
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    transferred = await _count_bytes(devtools)
    if limits is not None:
        await _slow_down(devtools, limits)
    await page.goto("/")
    await page.locator("article").nth(_TWEETS_SHOWN - 1).wait_for(timeout=_PATIENCE_MS)
    await _scroll(page)
    await page.wait_for_load_state("networkidle")
    found: dict[str, Any] = await page.evaluate(_AFTER)
    await page.close()
    sizes = dict(sorted(transferred.items()))
    return {**found, "bytes": sum(sizes.values()), "bytes_by_kind": sizes}


async def _count_bytes(devtools: CDPSession) -> Counter[str]:
    """The bytes received over the network, by kind of resource; counted as they arrive."""
    kinds: dict[str, str] = {}
    transferred: Counter[str] = Counter()

    def on_response(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"].lower()

    def on_finished(event: dict[str, Any]) -> None:
        kind = kinds.get(event["requestId"], "other")
        transferred[kind] += round(event["encodedDataLength"])

    devtools.on("Network.responseReceived", on_response)
    devtools.on("Network.loadingFinished", on_finished)
    await devtools.send("Network.enable")
    return transferred


async def _slow_down(devtools: CDPSession, limits: dict[str, float]) -> None:
    conditions = {
        "offline": False,
        "latency": limits["latency_ms"],
        "downloadThroughput": limits["bytes_a_second"],
        "uploadThroughput": limits["bytes_a_second"],
    }
    await devtools.send("Network.emulateNetworkConditions", conditions)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": limits["cpu_slowdown"]})


async def _scroll(page: Page) -> None:
    """Scrolls through the list, because pictures are loaded when they come near."""
    for _ in range(6):
        await page.mouse.wheel(0, 600)
        await page.wait_for_timeout(_SETTLED_MS / 6)


def _medians(visits: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {
        name: median(visit[name] for visit in visits)
        for name in ("first_paint_ms", "largest_paint_ms", "tweets_ms", "shift", "bytes")
    }
    kinds = {kind for visit in visits for kind in visit["bytes_by_kind"]}
    found["bytes_by_kind"] = {
        kind: median(visit["bytes_by_kind"].get(kind, 0) for visit in visits)
        for kind in sorted(kinds)
    }
    return found
