"""Writing: typed text and attached pictures are never lost."""

import base64
import re

import pytest
from playwright.async_api import Route, expect

from tests.journeys.company import Company, png

from .conftest import Opens

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
COUNTED = {
    "latin": "a" * 280,
    "families": FAMILY * 280,
    "accents": "é̄" * 280,
    "flags": "\U0001f1e9\U0001f1ea" * 280,
    "hangul": "각" * 280,
    "devanagari": "नि" * 280,
    "lines": "a\n" * 139 + "ab",
    "spaces around": "   " + "б" * 280 + "\n\n",
}


async def test_a_tweet_with_pictures_and_their_descriptions(
    company: Company, opens: Opens, screen: str
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann, screen)
    form = await window.writes("Two pictures https://example.org/a_(b).")

    await window.attaches(form, ("one.png", png(400, 300)), ("two.png", png(90, 200)))
    await form.get_by_label("Description of picture 1").fill("A red kite")
    await form.get_by_label("Description of picture 2").fill("Its owner")
    await form.get_by_role("button", name="Remove picture 2").click()
    await window.posts(form)

    tweet = window.tweet("Two pictures")
    await expect(tweet.get_by_role("button", name="A red kite")).to_be_visible()
    link = tweet.get_by_role("link", name="example.org/a_(b)")
    await expect(link).to_have_attribute("href", "https://example.org/a_(b)")
    (sent,) = await ann.feed()
    (media,) = sent["media"]
    assert (media["alt"], media["width"], media["height"]) == ("A red kite", 400, 300)
    assert sent["attachments"] == [media["url"]]


@pytest.mark.parametrize("script", COUNTED)
async def test_the_page_counts_as_the_server_counts(
    company: Company, opens: Opens, script: str
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    full = COUNTED[script]
    box = window.page.get_by_role("textbox", name="What's new?")

    await box.fill(full + "!" if full[-1] != "\n" else full.strip() + "!")
    await expect(box).to_have_accessible_description("1 character too many")
    await expect(window.page.get_by_role("button", name="Post")).to_be_disabled()
    over = await ann.ask("POST", "/api/tweets", json={"tweet_data": full.strip() + "!"})
    await box.fill(full)
    await expect(box).to_have_accessible_description("0 characters left")
    await window.posts(await window.writes())

    assert over.json()["error_type"] == "TweetTooLong"
    assert [tweet["content"] for tweet in await ann.feed()] == [full.strip()]


async def test_a_draft_survives_a_reload_with_its_pictures(
    company: Company, opens: Opens, screen: str
) -> None:
    window = await opens(await company.hire("Ann"), screen)
    form = await window.writes("not yet")
    await window.attaches(form, ("one.png", png()))
    alt = form.get_by_label("Description of picture 1")
    await alt.fill("half a thought")
    await window.has_stored_pictures()

    await window.page.reload()
    form = await window.writes()

    await expect(form.get_by_role("textbox", name="What's new?")).to_have_value("not yet")
    await expect(form.get_by_label("Description of picture 1")).to_have_value("half a thought")
    await window.posts(form)
    await expect(window.tweet("not yet").get_by_role("button", name="half a")).to_be_visible()


async def test_an_upload_that_fails_in_the_middle_keeps_all_and_goes_on_where_it_was(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann, "phone")
    uploads = 0

    async def second_fails(route: Route) -> None:
        nonlocal uploads
        uploads += 1
        await (route.abort("connectionreset") if uploads == 2 else route.continue_())

    await window.page.route("**/api/medias", second_fails)
    form = await window.writes("three pictures")
    await window.attaches(form, *((f"{n}.png", png(40 + n, 30)) for n in range(3)))
    await form.get_by_role("button", name="Post").click()

    await expect(form.get_by_role("alert")).to_contain_text("Your draft is saved")
    await expect(form.get_by_text("Upload failed")).to_have_count(1)
    await expect(form.get_by_role("textbox", name="What's new?")).to_have_value("three pictures")
    assert await ann.feed() == []
    await window.posts(form)
    (tweet,) = await ann.feed()
    assert [media["width"] for media in tweet["media"]] == [40, 41, 42]
    assert uploads == 4


async def test_a_tweet_whose_answer_was_lost_is_not_posted_twice(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)

    async def answer_lost(route: Route) -> None:
        await route.fetch()
        await route.abort("connectionreset")

    form = await window.writes("once")
    await window.page.route("**/api/tweets", answer_lost, times=1)
    await form.get_by_role("button", name="Post").click()
    await expect(form.get_by_role("alert")).to_contain_text("You're offline")
    await window.posts(form)

    await expect(window.tweet("once")).to_have_count(1)
    assert len(await ann.feed()) == 1


async def test_a_draft_whose_tweet_was_deleted_is_kept_and_can_be_posted_anew(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)

    async def posted_and_deleted_but_unanswered(route: Route) -> None:
        response = await route.fetch()
        await ann.done("DELETE", f"/api/tweets/{(await response.json())['tweet_id']}")
        await route.abort("connectionreset")

    form = await window.writes("once more")
    await window.page.route("**/api/tweets", posted_and_deleted_but_unanswered, times=1)
    await form.get_by_role("button", name="Post").click()
    await expect(form.get_by_role("alert")).to_contain_text("You're offline")
    await form.get_by_role("button", name="Post").click()

    await expect(form.get_by_role("alert")).to_contain_text("was posted and then deleted")
    await expect(form.get_by_role("textbox", name="What's new?")).to_have_value("once more")
    assert await ann.feed() == []
    await window.posts(form)
    assert [tweet["content"] for tweet in await ann.feed()] == ["once more"]


async def test_pictures_come_by_dropping_and_pasting_and_what_does_not_fit_is_said(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    form = await window.writes("dropped")
    encoded = base64.b64encode(png()).decode()
    hand = """(target, [type, files]) => {
        const held = new DataTransfer();
        for (const [name, kind, bytes] of files) {
            const content = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
            held.items.add(new File([content], name, { type: kind }));
        }
        const event = type === "paste"
            ? new ClipboardEvent("paste", { clipboardData: held, bubbles: true })
            : new DragEvent("drop", { dataTransfer: held, bubbles: true });
        target.dispatchEvent(event);
    }"""

    box = form.get_by_role("textbox", name="What's new?")
    picture = ["a.png", "image/png", encoded]
    await box.evaluate(hand, ["drop", [picture, ["a.pdf", "application/pdf", encoded]]])
    await expect(form.get_by_role("alert")).to_contain_text("Only JPEG, PNG, WebP and GIF")
    await box.evaluate(hand, ["paste", [picture] * 4])
    await expect(form.get_by_role("alert")).to_contain_text("You can add up to four pictures")

    await expect(form.get_by_role("listitem")).to_have_count(4)


async def test_the_notice_of_a_new_tweet_leads_to_it(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page

    await window.posts(await window.writes("look here"))

    (tweet_id,) = await ann.feed_ids()
    view = page.get_by_role("status").get_by_role("link", name="View")
    await expect(view).to_have_attribute("href", f"/tweets/{tweet_id}")
    await view.click()
    await expect(page).to_have_url(re.compile(f"/tweets/{tweet_id}$"))
