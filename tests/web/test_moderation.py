"""A person reports, a moderator hides, and the author learns why."""

import re
import secrets

from playwright.async_api import Page, expect

from tests.journeys.company import Company, until_readable, until_status, with_role

from .conftest import Opens
from .test_look import axe
from .test_notifications import until_listed
from .visitor import Visitor


async def chooses(page: Page, item: str) -> None:
    await page.get_by_role("menuitem", name=item).click()


async def opens_menu(window: Visitor, text: str) -> None:
    await window.tweet(text).get_by_role("button", name="More actions").click()


async def test_a_reported_tweet_is_hidden_and_restored(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    text = f"The customer of {bob.id} is Acme"
    tweet_id = await bob.post(text)
    path = f"/tweets/{tweet_id}"
    await until_readable(ann, tweet_id)
    reader = await opens(ann, path=path)
    page = reader.page
    await opens_menu(reader, text)
    await chooses(page, "Report…")
    dialog = page.get_by_role("dialog", name="Report a tweet")
    await dialog.get_by_label("Confidential information").check()
    await dialog.get_by_label("Note").fill("A customer is named")
    assert await axe(page) == []
    await dialog.get_by_role("button", name="Send report").click()
    await expect(page.get_by_text("Report sent")).to_be_visible()

    queue = (
        await opens(await with_role(company, "Mia Ito", "moderator"), path="/administration")
    ).page
    report = queue.get_by_role("listitem").filter(has_text=text)
    await expect(report).to_contain_text("A customer is named")
    await expect(report).to_contain_text("Ann Kim")
    assert await axe(queue) == []
    await report.get_by_role("button", name="Hide…").click()
    dialog = queue.get_by_role("dialog", name="Hide a tweet")
    await expect(dialog.get_by_label("Confidential information")).to_be_checked()
    await dialog.get_by_label("Note for the author").fill("Please leave out the name")
    assert await axe(queue) == []
    await dialog.get_by_role("button", name="Hide tweet").click()
    await expect(report.get_by_text("Hidden")).to_be_visible()
    await report.get_by_role("button", name="Close report").click()
    await report.get_by_label("What was decided").fill("Told Bob")
    await report.get_by_role("button", name="Close report").click()
    await expect(report).to_have_count(0)
    await queue.get_by_text("Closed", exact=True).click()
    await expect(report).to_contain_text("Told Bob")

    await until_status(ann, "GET", f"/api/tweets/{tweet_id}", 404)
    await page.reload()
    hidden = page.get_by_role("region", name="A moderator has hidden this tweet")
    await expect(hidden).not_to_contain_text(text)
    author = (await opens(bob, path=path)).page
    own = author.get_by_role("region", name="A moderator has hidden your tweet")
    await expect(own).to_contain_text("Confidential information")
    await expect(own).to_contain_text("Please leave out the name")
    await expect(own).to_contain_text(text)
    await expect(own.get_by_role("button", name="Restore")).to_have_count(0)
    assert await axe(author) == []

    await queue.goto(path)
    await queue.get_by_role("button", name="Restore").click()
    await expect(queue.get_by_text("Tweet restored")).to_be_visible()
    await expect(queue.get_by_role("article").filter(has_text=text)).to_be_visible()
    await page.reload()
    await expect(reader.tweet(text)).to_be_visible()


async def test_a_moderator_hides_a_tweet_by_its_menu(company: Company, opens: Opens) -> None:
    ann, mia = await company.hire("Ann Kim"), await with_role(company, "Mia Ito", "moderator")
    await mia.follow(ann)
    await ann.post("Buy now")
    window = await opens(mia)
    await opens_menu(window, "Buy now")
    await chooses(window.page, "Hide…")
    dialog = window.page.get_by_role("dialog", name="Hide a tweet")
    await dialog.get_by_label("Spam or advertising").check()
    await dialog.get_by_role("button", name="Hide tweet").click()

    await expect(window.page.get_by_text("Tweet hidden")).to_be_visible()
    await expect(window.tweet("Buy now")).to_have_count(0)


async def test_a_person_is_reported_and_the_badge_counts(company: Company, opens: Opens) -> None:
    # All moderators see the reports of the other tests, too.
    ann, bob = await company.hire("Ann Kim"), await company.hire(f"Bob {secrets.token_hex(4)}")
    mia = await with_role(company, "Mia Ito", "moderator")
    page = (await opens(ann, path=f"/profile/{bob.id}")).page
    await page.get_by_role("button", name="More actions").first.click()
    await chooses(page, "Report…")
    dialog = page.get_by_role("dialog", name=f"Report {bob.name}")
    await dialog.get_by_label("Harassment or insults").check()
    await dialog.get_by_role("button", name="Send report").click()
    await expect(page.get_by_text("Report sent")).to_be_visible()

    queue = (await opens(mia)).page
    entry = queue.get_by_role("navigation", name="Main").get_by_role("link", name="Administration")
    await expect(entry).to_have_accessible_name(re.compile(r"[1-9]"))
    await entry.click()
    report = queue.get_by_role("listitem").filter(has_text=bob.name)
    await expect(report).to_contain_text("Harassment or insults")
    await expect(queue).to_have_title(re.compile("Reports · Administration · Warble"))

    phone = (await opens(mia, "phone")).page
    await phone.get_by_role("button", name="Settings").click()
    settings = phone.get_by_role("dialog", name="Settings")
    entry = settings.get_by_role("link", name="Administration")
    await expect(entry).to_have_accessible_name(re.compile("Administration Open reports: [1-9]"))
    await entry.click()
    await expect(phone).to_have_title(re.compile("Reports · Administration · Warble"))


async def test_only_those_with_a_right_see_the_administration(
    company: Company, opens: Opens, screen: str
) -> None:
    window = await opens(await company.hire("Ann Kim"), screen)
    page = window.page
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    await expect(page.get_by_role("link", name="Administration")).to_have_count(0)
    await page.goto("/administration/people")
    await expect(page.get_by_text("You don't have access to the administration")).to_be_visible()
    assert await axe(page) == []

    moderating = (
        await opens(await with_role(company, "Mia Ito", "moderator"), screen, "/administration")
    ).page
    await expect(moderating.get_by_role("heading", name="Reports", exact=True)).to_be_visible()
    await moderating.goto("/administration/people")

    await expect(moderating.get_by_text("Page not found")).to_be_visible()


async def test_the_author_and_the_reporter_are_told(company: Company, opens: Opens) -> None:
    ann, bob = await company.hire("Ann Kim"), await company.hire("Bob Ray")
    mia = await with_role(company, "Mia Ito", "moderator")
    tweet_id = await bob.post("Buy now")
    report = {"tweet_id": tweet_id, "reason": "spam"}
    report_id = (await ann.done("POST", "/api/reports", json=report))["report_id"]
    await mia.done("PUT", f"/api/tweets/{tweet_id}/hidden", json={"reason": "spam"})
    await mia.done("POST", f"/api/reports/{report_id}/closure", json={})
    await until_listed(bob, 1)
    await until_listed(ann, 1)
    await until_status(ann, "GET", f"/api/tweets/{tweet_id}", 404)

    author = (await opens(bob, path="/notifications")).page
    notification = author.locator("#notifications").get_by_role("listitem")
    notification = notification.filter(has_text="A moderator has hidden your tweet")
    await expect(notification).to_contain_text("Spam or advertising")
    assert await axe(author) == []
    await notification.get_by_role("link").click()
    hidden = author.get_by_role("region", name="A moderator has hidden your tweet")
    await expect(hidden).to_contain_text("Buy now")
    reporter = (await opens(ann, path="/notifications")).page
    await expect(reporter.get_by_text("Moderators have dealt with your report")).to_be_visible()
