"""Attacks by a page of another origin in the browser of a signed-in person.

`localhost` is another site than 127.0.0.1, to which a browser gives no cookie; another port of
127.0.0.1 is only another origin, to which it gives them all.
"""

import itertools
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.async_api import Browser, Frame, Page

from devstack.instance import Instance
from tests.journeys.company import Company, png

_SITES = ("localhost", "127.0.0.1")
_STOPPED = "stopped"
_LOADED = """(kind, source, attribute) => new Promise(resolve => {
    const element = document.createElement(kind);
    element.onload = () => resolve(`${kind} loaded ${source}`);
    element.onerror = () => resolve("stopped");
    if (kind === "link") element.rel = "stylesheet";
    element[attribute] = source;
    document.body.append(element);
})"""
_SENT = """(method, action, type, name, value) => new Promise(resolve => {
    const frame = document.createElement("iframe");
    const form = document.createElement("form");
    frame.name = "response";
    Object.assign(form, { method, action, enctype: type, target: frame.name });
    form.innerHTML = "<input type=hidden>";
    Object.assign(form.firstChild, { name, value });
    document.body.append(frame, form);
    frame.onload = () => resolve("stopped");
    form.submit();
})"""
_ASKED = """(address, options) => fetch(address, options).then(
    async reply => `${reply.type} ${reply.status} ${await reply.text()}`, () => "stopped"
)"""

ATTACKS = {
    "a form follows somebody": f"at => ({_SENT})('post', at.follow, 'text/plain', 'a', 'b')",
    "a form that looks like JSON writes a tweet": (
        f"at => ({_SENT})('post', at.tweets, 'text/plain', '{{\"tweet_data\": \"', '\"}}')"
    ),
    "a form ends the session": f"at => ({_SENT})('post', at.session, 'text/plain', 'a', 'b')",
    "a simple call follows somebody": (
        f"at => ({_ASKED})(at.follow, {{method: 'POST', mode: 'no-cors', credentials: 'include'}})"
    ),
    "a call with JSON writes a tweet": (
        f"at => ({_ASKED})(at.tweets, {{method: 'POST', credentials: 'include',"
        " headers: {'content-type': 'application/json'}, body: '{\"tweet_data\": \"mine\"}'})"
    ),
    "a call with another method signs out": (
        f"at => ({_ASKED})(at.session, {{method: 'DELETE', credentials: 'include'}})"
    ),
    "a call reads with the cookie": f"at => ({_ASKED})(at.me, {{credentials: 'include'}})",
    "a call reads without it": f"at => ({_ASKED})(at.document, {{credentials: 'omit'}})",
    "a call reads with a key": f"at => ({_ASKED})(at.me, {{headers: {{'api-key': at.key}}}})",
    "a call reads what it may not look into": (
        f"at => ({_ASKED})(at.me, {{mode: 'no-cors', credentials: 'include'}})"
    ),
    "a response is run as a script": f"at => ({_LOADED})('script', at.me, 'src')",
    "the document is run as a script": f"at => ({_LOADED})('script', at.document, 'src')",
    "a response is taken for a style": f"at => ({_LOADED})('link', at.me, 'href')",
    "a response is taken for a picture": f"at => ({_LOADED})('img', at.me, 'src')",
    "a picture is shown elsewhere": f"at => ({_LOADED})('img', at.picture, 'src')",
}
FRAMED = ("/", "/docs", "/openapi.json", "/api/users/me", "/api/nothing", "{picture}")


class _AnyPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another site</title><body>")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of the attacker's server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _AnyPage) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def _is_within(frame: Frame) -> bool:
    return frame.parent_frame is not None and frame.url not in ("", "about:blank")


async def signed_in(browser: Browser, stack: Instance, key: str) -> Page:
    context = await browser.new_context(base_url=stack.gateway_url)
    assert (await context.request.post("/api/session", data={"api_key": key})).ok
    return await context.new_page()


async def test_a_page_of_another_origin_does_nothing_and_learns_nothing(
    company: Company, browser: Browser, stack: Instance, elsewhere: int
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.post("a picture", [await ann.upload(png())])
    ((tweet,), host) = await ann.feed(), stack.gateway_url
    at = {
        "me": f"{host}/api/users/me",
        "follow": f"{host}/api/users/{bob.id}/follow",
        "tweets": f"{host}/api/tweets",
        "session": f"{host}/api/session",
        "document": f"{host}/openapi.json",
        "picture": host + tweet["attachments"][0],
        "key": bob.key,
    }
    page = await signed_in(browser, stack, ann.key)
    for name, attack in ATTACKS.items():
        for site in _SITES:
            await page.goto(f"http://{site}:{elsewhere}/")

            assert await page.evaluate(attack, at) == _STOPPED, (name, site)
            shown = [frame.url for frame in page.frames if frame.url.startswith(host)]
            assert shown == [], (name, site)

        profile = (await ann.done("GET", "/api/users/me"))["user"]
        assert (profile["following"], await ann.feed_ids()) == ([], [tweet["id"]]), name
    await page.goto("/")
    follow = f"({_ASKED})({at['follow']!r}, {{method: 'POST'}})"
    assert "basic 200" in await page.evaluate(follow)


async def test_nothing_of_ours_is_shown_in_anothers_frame(
    company: Company, browser: Browser, stack: Instance, elsewhere: int
) -> None:
    ann = await company.hire("Ann")
    await ann.post("a picture", [await ann.upload(png())])
    (tweet,) = await ann.feed()
    page = await signed_in(browser, stack, ann.key)
    for path, site in itertools.product(FRAMED, _SITES):
        address = stack.gateway_url + path.format(picture=tweet["attachments"][0])
        await page.goto(f"http://{site}:{elsewhere}/")
        async with page.expect_event("framenavigated", _is_within) as navigated:
            await page.evaluate(
                """address => {
                    document.body.append(Object.assign(document.createElement("iframe"), {
                        src: address,
                    }));
                }""",
                address,
            )

        assert (await navigated.value).url.startswith("chrome-error:"), (path, site)


async def test_who_opened_our_page_has_no_hold_on_it(
    company: Company, browser: Browser, stack: Instance, elsewhere: int
) -> None:
    page = await signed_in(browser, stack, (await company.hire("Ann")).key)
    for site in _SITES:
        await page.goto(f"http://{site}:{elsewhere}/")
        async with page.context.expect_page() as opened:
            await page.evaluate("address => { window.other = open(address); }", stack.gateway_url)
        await (await opened.value).wait_for_load_state()

        # By then the window is in another browsing context group.
        assert await page.evaluate("() => other.closed"), site
