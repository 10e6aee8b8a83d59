"""Administrators manage people in the page."""

import json
import re
import secrets

import pytest
from playwright.async_api import FilePayload, Locator, Page, Route, expect

from devstack.repository import REPOSITORY
from tests.journeys.company import Company, Person
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe


async def row_of(page: Page, name: str) -> Locator:
    """The row of the person in the list of all, which the tests share."""
    await page.get_by_role("searchbox").fill(name)
    row = page.get_by_role("listitem").filter(has_text=name)
    await expect(row).to_have_count(1)
    return row


def a_name(beginning: str) -> str:
    return f"{beginning} {secrets.token_hex(4)}"


async def rights_of(person: Person) -> set[str]:
    me = await person.done("GET", "/api/users/me")
    return {name for name in ("administrator", "moderator", "announcer") if me[name]}


@pytest.mark.parametrize(
    ("screen", "entry"), [("wide", "Invitation link"), ("phone", "Access key")]
)
async def test_an_administrator_adds_a_person(
    company: Company, opens: Opens, entry: str, screen: str
) -> None:
    name = a_name("Nina")
    page = (await opens(company.administrator, screen, "/administration")).page
    await page.get_by_role("button", name="Add a person").click()
    dialog = page.get_by_role("dialog", name="Add a person")
    await dialog.get_by_label("Name of the new person").fill(name)
    await dialog.get_by_text(entry, exact=True).click()
    await dialog.get_by_role("button", name="Add", exact=True).click()
    secret = dialog.get_by_role("textbox", name=entry)
    await expect(secret).to_be_focused()
    assert await axe(page) == []
    shown = await secret.input_value()
    await page.keyboard.press("Escape")
    await row_of(page, name)
    assert await axe(page) == []

    if entry == "Invitation link":
        joined = (await opens(screen=screen, path=shown)).page
        await joined.get_by_role("button", name="Join").click()
        await expect(joined.get_by_role("textbox", name="Your access key")).to_be_visible()
    else:
        joined = (await opens(screen=screen)).page
        await joined.get_by_label("Your access key").fill(shown)
        await joined.get_by_role("button", name="Sign in").click()
        await expect(joined.get_by_role("navigation", name="Main")).to_be_visible()


async def test_roles_are_given_and_taken_away(company: Company, opens: Opens) -> None:
    ann = await company.hire(a_name("Ann"))
    page = (await opens(company.administrator, "phone", "/administration/people")).page
    await (await row_of(page, ann.name)).get_by_role("link").click()
    await expect(page.get_by_role("heading", name=ann.name)).to_be_visible()
    assert await axe(page) == []
    moderator = page.get_by_role("checkbox", name="Moderator")
    await moderator.click()
    await expect(page.get_by_text("Role given")).to_be_visible()
    await expect(moderator).to_be_checked()
    assert await rights_of(ann) == {"moderator"}
    await moderator.click()
    await expect(moderator).not_to_be_checked()

    async def has_lost_it() -> bool:
        return await rights_of(ann) == set()

    await eventually(has_lost_it)
    await page.goto("/administration/audit")
    await page.get_by_label("To whom (number)").fill(str(ann.id))
    rows = page.get_by_role("row").filter(has_text=ann.name)
    await expect(rows).to_have_count(3)
    await page.get_by_label("What was done").select_option("Role given")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Role given: Moderator")
    # By whom, and to whom.
    await expect(rows.get_by_role("link")).to_have_count(2)
    assert await axe(page) == []
    await page.get_by_label("Until").fill("2026-01-01")
    await expect(page.get_by_text("Nothing recorded")).to_be_visible()
    await page.get_by_role("button", name="Clear filters").click()
    await expect(page.get_by_label("To whom (number)")).to_have_value("")


async def test_the_profile_of_another_person_is_changed(company: Company, opens: Opens) -> None:
    ann = await company.hire(a_name("Ann"))
    page = (await opens(company.administrator, path=f"/administration/people/{ann.id}")).page
    await page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit person")
    await dialog.get_by_label("Name").fill("Anna Larina")
    await dialog.get_by_label("Title").fill("Surveyor")
    await dialog.get_by_label("Department").fill("Tunnels")
    await dialog.get_by_role("button", name="Save").click()

    await expect(page.get_by_role("heading", name="Anna Larina")).to_be_visible()
    await expect(page.get_by_text("Surveyor · Tunnels")).to_be_visible()


async def test_an_administrator_ends_keys_and_devices(company: Company, opens: Opens) -> None:
    ann = await company.hire(a_name("Ann"))
    own = (await opens(ann)).page
    await expect(own.get_by_role("navigation", name="Main")).to_be_visible()
    page = (await opens(company.administrator, path=f"/administration/people/{ann.id}")).page
    await page.get_by_role("button", name=re.compile("Sign out: ")).click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect(page.get_by_text("Signed out on that device")).to_be_visible()
    await expect(own.get_by_label("Your access key")).to_be_visible()
    await page.get_by_role("button", name="Revoke all keys").click()
    await page.get_by_role("button", name="Revoke all keys").click()
    await expect(page.get_by_text("All keys revoked")).to_be_visible()

    await expect(page.get_by_role("button", name=re.compile("Revoke: "))).to_have_count(0)
    assert (await ann.ask("GET", "/api/users/me")).status_code == 401


async def test_a_person_is_deactivated_after_a_question(company: Company, opens: Opens) -> None:
    ann = await company.hire(a_name("Ann"))
    page = (await opens(company.administrator, path=f"/administration/people/{ann.id}")).page
    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.get_by_text(f"Deactivate {ann.name}?")).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Deactivate").click()
    await page.get_by_role("button", name="Deactivate").click()
    await expect(page.get_by_text("Deactivated on")).to_be_visible()
    await expect(page.get_by_role("heading", name=ann.name)).to_be_focused()
    assert await axe(page) == []
    assert (await ann.ask("GET", "/api/users/me")).status_code == 401

    await page.get_by_role("link", name="All people").click()
    await page.get_by_label("Who is listed").select_option("Deactivated")
    await (await row_of(page, ann.name)).get_by_role("link").click()
    await page.get_by_role("button", name="Bring back").click()
    await expect(page.get_by_role("heading", name="Keys and devices")).to_be_visible()
    await expect(page.get_by_role("button", name="Deactivate")).to_be_visible()


async def test_a_person_is_erased_only_by_a_typed_name(company: Company, opens: Opens) -> None:
    page = (await opens(company.administrator, path="/administration/people/900000000")).page
    await expect(page.get_by_text("Nobody has this number")).to_be_visible()
    ann = await company.hire(a_name("Ann"))
    await page.goto(f"/administration/people/{ann.id}")
    await page.get_by_role("button", name="Erase for good").click()
    dialog = page.get_by_role("dialog", name="Erase for good")
    erase = dialog.get_by_role("button", name="Erase for good")
    await expect(erase).to_be_disabled()
    assert await axe(page) == []
    await dialog.get_by_label("Type the name").fill(ann.name)
    await erase.click()

    await expect(page.get_by_text("Being erased")).to_be_visible()
    await expect(page.get_by_role("heading", name=f"No. {ann.id}")).to_be_visible()


async def test_giving_up_ones_own_role_is_asked(company: Company, opens: Opens) -> None:
    eve = await company.hire(a_name("Eve"))
    await company.administrator.done("PUT", f"/api/users/{eve.id}/administrator")
    page = (await opens(eve, path=f"/administration/people/{eve.id}")).page
    await page.get_by_role("checkbox", name="Administrator").click()
    await expect(page.get_by_text("You will no longer be an administrator")).to_be_visible()
    assert await rights_of(eve) != set()
    await page.get_by_role("button", name="Give up the role").click()

    await expect(page.get_by_text("You don't have access to the administration")).to_be_visible()


async def test_on_a_phone_the_settings_lead_to_the_administration(
    company: Company, opens: Opens
) -> None:
    window = await opens(company.administrator, "phone", locale="ru-RU")
    page = window.page
    await page.get_by_role("button", name="Настройки").click()
    await page.get_by_role("dialog").get_by_role("link", name="Управление").click()

    await expect(page.get_by_role("heading", name="Люди", exact=True)).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_recorded_action_has_its_words() -> None:
    document = json.loads((REPOSITORY / "gateway" / "openapi.json").read_text())
    actions = set(document["components"]["schemas"]["AuditAction"]["enum"])
    texts = (REPOSITORY / "web" / "src" / "text" / "administrationTexts.ts").read_text()
    _, english, russian = texts.split("  actions: {\n")

    assert {"registered", "tweet_hidden"} <= actions
    for words in (english, russian):
        known = re.findall(r"^    (\w+):", words.partition("\n  }")[0], re.MULTILINE)
        assert actions - set(known) == set()


@pytest.mark.parametrize("titles", [[], ["Company account"]])
async def test_the_page_lists_the_identity_providers(
    company: Company, opens: Opens, titles: list[str]
) -> None:
    window = await opens(company.administrator)
    page = window.page
    providers = [{"name": "company", "title": title} for title in titles]
    answer = {"result": True, "providers": providers, "keys": True}
    await page.route("**/api/sign-on", lambda route: route.fulfill(json=answer))
    await page.goto("/administration/sign-on")

    if titles:
        address = page.get_by_role("textbox", name="Company account: Redirect URI")
        await expect(address).to_have_value(f"{window.host}/api/sign-on/company/callback")
    else:
        await expect(page.get_by_text("No provider is set up")).to_be_visible()
    assert await axe(page) == []


async def test_people_are_imported_after_a_preview(company: Company, opens: Opens) -> None:
    ann, name, staff = await company.hire(a_name("Ann")), a_name("Nina"), secrets.token_hex(6)
    page = (await opens(company.administrator, path="/administration/people")).page
    await page.get_by_role("link", name="Import").click()
    header = "id,external_id,name,department,moderator\r\n"

    async def chooses(*rows: str) -> None:
        content = (header + "\r\n".join(rows)).encode()
        file = FilePayload(name="staff.csv", mimeType="text/csv", buffer=content)
        await page.locator("input[type=file]").set_input_files(file)

    await chooses(f"{ann.id},,,Tunnels,maybe")
    await expect(page.get_by_text("Some rows have errors")).to_be_visible()
    await expect(page.get_by_role("button", name="Import")).to_have_count(0)
    assert await axe(page) == []
    await chooses(f"{ann.id},,,Tunnels,true", f",{staff},{name},Bridges,")
    changed = page.get_by_role("row").filter(has_text=ann.name)
    await expect(changed).to_contain_text("Changed")
    await expect(changed).to_contain_text("Department: nothing → Tunnels")
    await expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("Added")
    assert await axe(page) == []
    assert "moderator" not in await rights_of(ann)
    await page.get_by_role("button", name="Import").click()
    await expect(page.get_by_role("heading", name="Invitations for the new people")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download invitations").click()
    path = await (await download.value).path()
    assert f"{company.http.base_url}/invitation#" in path.read_text().replace("//inv", "/inv")

    await page.get_by_role("link", name="All people").click()
    await expect(await row_of(page, name)).to_contain_text("Bridges")

    async def is_a_moderator() -> bool:
        return "moderator" in await rights_of(ann)

    await eventually(is_a_moderator)


async def test_the_health_of_all_services_is_seen_at_a_glance(
    company: Company, opens: Opens
) -> None:
    page = (await opens(company.administrator, "phone", "/administration/health")).page
    row = page.get_by_role("row").filter(has=page.get_by_text("notifications", exact=True))

    await expect(row).to_contain_text("Ready")
    assert await axe(page) == []


async def test_the_health_says_how_failed_events_are_handled_again(
    company: Company, opens: Opens
) -> None:
    page = (await opens(company.administrator)).page

    async def with_a_failed_event(route: Route) -> None:
        response = await route.fetch()
        health = await response.json()
        health["healthy"] = False
        health["services"]["feed"]["dead_letters"] = 1
        await route.fulfill(response=response, json=health)

    await page.route("**/api/health", with_a_failed_event)
    await page.goto("/administration/health")

    await expect(page.get_by_text("Something needs attention")).to_be_visible()
    await expect(page.get_by_text("make replay SERVICE=feed")).to_be_visible()


async def test_an_account_of_the_company_is_linked_and_unlinked(
    company: Company, opens: Opens
) -> None:
    ann, subject = await company.hire(a_name("Ann")), secrets.token_hex(8)
    page = (await opens(company.administrator, path=f"/profile/{ann.id}")).page
    await page.get_by_role("button", name="More actions").first.click()
    await page.get_by_role("menuitem", name="Administration").click()
    await page.get_by_text("Link an account", exact=True).first.click()
    await page.get_by_label("Account ID at the provider").fill(subject)
    await page.get_by_role("button", name="Link an account").click()
    await expect(page.get_by_text(f"Account {subject}")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Unlink").click()
    await page.get_by_role("button", name="Unlink").click()

    await expect(page.get_by_text("Account unlinked")).to_be_visible()
    await expect(page.get_by_text(f"Account {subject}")).to_have_count(0)
