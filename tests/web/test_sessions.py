"""One browser, several tabs and people: a tab never acts for somebody else than it shows."""

import re

from playwright.async_api import Page, expect

from tests.journeys.company import Company, Person

from .conftest import Opens

_RETURNS = "document.dispatchEvent(new Event('visibilitychange'))"


async def shows(page: Page, person: Person) -> None:
    profile = page.get_by_role("link", name="Profile")
    await expect(profile).to_have_attribute("href", f"/profile/{person.id}")


async def test_a_tab_learns_that_another_tab_has_signed_in_as_somebody_else(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    first = (await opens(ann)).page
    await shows(first, ann)
    second = await first.context.new_page()

    await second.goto("/")
    await second.get_by_role("button", name="Settings").click()
    await second.get_by_role("button", name="Sign out").click()
    await expect(first.get_by_role("button", name="Sign in")).to_be_visible()
    await second.get_by_role("textbox").fill(bob.key)
    await second.get_by_role("button", name="Sign in").click()

    await shows(second, bob)
    await shows(first, bob)


async def test_a_tab_that_is_looked_at_again_asks_who_is_signed_in(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    page = (await opens(ann)).page
    # The stream would tell the tab at once, and reload the page while the script below runs.
    await page.route("**/api/stream*", lambda route: route.abort())
    await page.reload()
    await shows(page, ann)

    await page.context.request.post("/api/session", data={"api_key": bob.key})
    await page.evaluate(_RETURNS)

    await shows(page, bob)


async def test_a_tab_that_has_not_learned_it_yet_writes_nothing_in_the_other_name(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    await ann.follow(bob)
    tweet_id = await bob.post("Bob's own")
    window = await opens(ann)
    page = window.page
    # The stream would tell the tab at once.
    await page.route("**/api/stream*", lambda route: route.abort())
    await page.reload()
    form = await window.writes("Ann's words")
    # A request of Ann's that is answered after Bob's sign-in would tell the tab, too.
    await page.wait_for_load_state("networkidle")

    await page.context.request.post("/api/session", data={"api_key": bob.key})
    await form.get_by_role("button", name="Post").click()

    await shows(page, bob)
    assert [tweet["id"] for tweet in await bob.feed()] == [tweet_id]
    await page.context.request.post("/api/session", data={"api_key": ann.key})
    await page.evaluate(_RETURNS)
    await shows(page, ann)
    await expect(form.get_by_role("textbox").first).to_have_value("Ann's words")


async def test_a_session_that_ends_is_announced_and_the_draft_is_kept(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page
    await window.writes("half a thought")

    await page.context.request.delete("/api/session")
    await page.evaluate(_RETURNS)
    await expect(page.get_by_role("status").filter(has_text="signed out")).to_have_text(
        re.compile("draft is safe")
    )
    await page.get_by_role("textbox").fill(ann.key)
    await page.get_by_role("button", name="Sign in").click()

    form = await window.writes()
    await expect(form.get_by_role("textbox").first).to_have_value("half a thought")
