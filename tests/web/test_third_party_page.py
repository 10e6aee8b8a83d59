"""A web page other than ours, which `GATEWAY_WEB_DIR` may name.

It is served at the same paths, keeps the key in memory, sends it as a header, and shows pictures of
other hosts.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from devstack.instance import Instance
from tests.journeys.company import Company, png
from tests.other_gateway import gateway_beside

from .visitor import Visitor

AVATARS = "https://avatars.example.org/"
INDEX = f"""<!doctype html>
<html><head><link rel="stylesheet" href="/css/app.css"></head>
<body><div id="app"></div><img id="avatar" src="{AVATARS}1.png" style="opacity: 0.5">
<script src="/js/app.js"></script></body></html>
"""
SCRIPT = """
document.querySelector("#app").innerHTML = `<p>${location.pathname}</p>
    <input name="key" value="test"><input type="file"><button>Go</button><pre></pre>`;
const output = document.querySelector("pre");
document.querySelector("button").onclick = async () => {
    const headers = { "api-key": document.querySelector("[name=key]").value };
    async function call(method, path, body) {
        const json = body && !(body instanceof FormData);
        const answer = await fetch(path, {
            method,
            headers: json ? { ...headers, "Content-Type": "application/json" } : headers,
            body: json ? JSON.stringify(body) : body,
        });
        const read = await answer.json();
        output.textContent += `${method} ${path.replace(/[0-9]+/g, "N")} ${read.result}\\n`;
        return read;
    }
    const me = (await call("GET", "/api/users/me")).user;
    const form = new FormData();
    form.append("file", document.querySelector("[type=file]").files[0]);
    const { media_id } = await call("POST", "/api/medias", form);
    const tweet = { tweet_data: "Привет", tweet_media_ids: [media_id] };
    const { tweet_id } = await call("POST", "/api/tweets", tweet);
    await call("POST", `/api/tweets/${tweet_id}/likes`);
    await call("DELETE", `/api/tweets/${tweet_id}/likes`);
    const whole = (await call("GET", "/api/tweets")).tweets;
    const page = (await call("GET", "/api/tweets?offset=1&limit=3")).tweets;
    const shown = page.find((tweet) => tweet.id === tweet_id && tweet.author.id === me.id);
    const picture = document.body.appendChild(new Image());
    picture.src = shown.attachments[0];
    await picture.decode();
    output.textContent += `${new Date(shown.stamp).getFullYear() > 2000} ${whole.length}\\n`;
    for (const person of (await call("GET", "/api/users/" + me.id)).user.following) {
        await call("DELETE", `/api/users/${person.id}/follow`);
        await call("POST", `/api/users/${person.id}/follow`);
    }
    await call("DELETE", `/api/tweets/${tweet_id}`);
    output.textContent += "done";
};
"""
OUTPUT = """GET /api/users/me true
POST /api/medias true
POST /api/tweets true
POST /api/tweets/N/likes true
DELETE /api/tweets/N/likes true
GET /api/tweets true
GET /api/tweets?offset=N&limit=N true
true 1
GET /api/users/N true
DELETE /api/users/N/follow true
POST /api/users/N/follow true
DELETE /api/tweets/N true
done"""


@pytest.fixture
async def other_gateway(
    stack: Instance, tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[str]:
    for name, content in {"index.html": INDEX, "js/app.js": SCRIPT, "css/app.css": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    async with gateway_beside(stack, unused_tcp_port_factory, GATEWAY_WEB_DIR=str(tmp_path)) as url:
        yield url


async def test_the_ready_made_page_goes_on_as_it_is(
    company: Company, browser: Browser, other_gateway: str
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    context = await browser.new_context(base_url=other_gateway)
    page = await context.new_page()
    window = Visitor(page, "wide", other_gateway)

    async def avatar(route: Route) -> None:
        await route.fulfill(body=png(), content_type="image/png")

    await page.route(f"{AVATARS}**", avatar)
    for path in ("/", "/profile/1", "/login"):
        await page.goto(path)
        await expect(page.get_by_text(path, exact=True)).to_be_visible()
    await expect(page.locator("#avatar")).to_have_js_property("naturalWidth", 40)
    await expect(page.locator("#avatar")).to_have_css("opacity", "0.5")
    await page.locator("[name=key]").fill(ann.key)
    await page.locator("[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": png()}
    )
    await page.locator("button").click()

    await expect(page.locator("pre")).to_have_text(OUTPUT)
    assert set(window.troubles) == {f"asked {AVATARS}1.png"}
