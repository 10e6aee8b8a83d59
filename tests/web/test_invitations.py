"""An administrator invites a person, who opens the link and gets a key."""

import pytest
from playwright.async_api import Page, expect

from devstack.instance import Instance
from tests.journeys.company import Company
from tests.journeys.test_operations import logs

from .conftest import Opens
from .test_look import axe


async def name_of_the_signed_in(page: Page) -> str:
    name: str = (await (await page.request.get("/api/users/me")).json())["user"]["name"]
    return name


async def test_an_invited_person_joins_once_and_keeps_the_key(
    company: Company, opens: Opens
) -> None:
    admin = (await opens(company.administrator, "phone")).page
    await admin.get_by_role("button", name="Settings").first.click()
    await admin.get_by_role("button", name="Invite a colleague").click()
    dialog = admin.get_by_role("dialog", name="Invite a colleague")
    await dialog.get_by_label("Name of the new person").fill("Nina New")
    await dialog.get_by_role("button", name="Create link").click()
    shown = dialog.get_by_role("textbox", name="Invitation link")
    await expect(shown).to_be_focused()
    await expect(dialog.get_by_text("Send this link to Nina New")).to_be_visible()
    assert await axe(admin) == []
    link = await shown.input_value()

    window = await opens(screen="phone", path=link)
    page = window.page
    await expect(page.get_by_role("heading", name="Welcome to Warble")).to_be_visible()
    assert await axe(page) == []
    await page.get_by_role("button", name="Join").click()
    field = page.get_by_role("textbox", name="Your access key")
    await expect(field).to_be_focused()
    key = await field.input_value()
    assert await axe(page) == []
    await page.get_by_role("button", name="I've kept it").click()
    await expect(page).to_have_url(f"{window.host}/")
    await expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    assert await name_of_the_signed_in(page) == "Nina New"

    again = (await opens(screen="phone", path=link)).page
    await again.get_by_role("button", name="Join").click()
    await expect(again.get_by_role("alert")).to_contain_text("already used")
    await again.get_by_role("link", name="Sign in with a key").click()
    await again.get_by_label("Your access key").fill(key)
    await again.get_by_role("button", name="Sign in").click()
    await expect(again.get_by_role("navigation", name="Main")).to_be_visible()
    assert await name_of_the_signed_in(again) == "Nina New"


async def test_the_link_can_be_copied_where_the_browser_offers_no_clipboard(
    company: Company, opens: Opens
) -> None:
    page = (await opens(company.administrator)).page
    # As on a page without TLS.
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await page.get_by_role("button", name="Settings").first.click()
    await page.get_by_role("button", name="Invite a colleague").click()
    dialog = page.get_by_role("dialog", name="Invite a colleague")
    name = dialog.get_by_label("Name of the new person")
    await name.fill("Nina New")
    await dialog.get_by_role("button", name="Create link").click()
    link = await dialog.get_by_role("textbox", name="Invitation link").input_value()

    await dialog.get_by_role("button", name="Copy").click()
    await expect(dialog.get_by_role("button", name="Copied")).to_be_visible()

    await name.fill("")
    await name.press("Control+V")
    await expect(name).to_have_value(link)


async def test_an_administrator_invites_somebody_again_who_has_lost_every_key(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    page = (await opens(ann, path=f"/profile/{bob.id}")).page
    await expect(page.get_by_role("button", name="Follow: Bob").first).to_be_visible()
    await page.get_by_role("button", name="More actions").first.click()
    await expect(page.get_by_role("menuitem", name="New invitation")).to_have_count(0)

    admin = (await opens(company.administrator, path=f"/profile/{bob.id}")).page
    await admin.get_by_role("button", name="More actions").first.click()
    await admin.get_by_role("menuitem", name="New invitation").click()
    dialog = admin.get_by_role("dialog", name="New invitation")
    await dialog.get_by_role("button", name="Create link").click()
    link = await dialog.get_by_role("textbox", name="Invitation link").input_value()

    joined = (await opens(path=link)).page
    await joined.get_by_role("button", name="Join").click()
    await expect(joined.get_by_role("textbox", name="Your access key")).to_be_visible()
    assert await name_of_the_signed_in(joined) == "Bob"


async def test_the_secret_of_an_invitation_reaches_no_log(
    company: Company, opens: Opens, stack: Instance
) -> None:
    created = await company.administrator.done("POST", "/api/invitations", json={"name": "Nina"})
    page = (await opens(path=f"/invitation#{created['invitation']}")).page
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_role("textbox", name="Your access key")).to_be_visible()

    texts = logs(stack)
    assert texts
    assert not any(created["invitation"] in text for text in texts.values())


async def test_who_is_signed_in_signs_out_before_using_an_invitation(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    created = await company.administrator.done("POST", "/api/invitations", json={"name": "Nina"})
    page = (await opens(ann, path=f"/invitation#{created['invitation']}")).page

    await expect(page.get_by_text("You're signed in as Ann")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_role("textbox", name="Your access key")).to_be_visible()


@pytest.mark.parametrize(
    ("link", "says"),
    [("/invitation", "This link is incomplete"), ("/invitation#cut-off", "doesn't exist")],
)
async def test_a_link_that_was_cut_off_says_so(
    company: Company, opens: Opens, link: str, says: str
) -> None:
    page = (await opens(path=link)).page
    if "#" in link:
        await page.get_by_role("button", name="Join").click()

    await expect(page.get_by_text(says)).to_be_visible()
    await expect(page.get_by_role("link", name="Sign in with a key")).to_be_visible()


async def test_only_administrators_are_offered_to_invite(company: Company, opens: Opens) -> None:
    page = (await opens(await company.hire("Ann"))).page
    await page.get_by_role("button", name="Settings").first.click()

    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    await expect(page.get_by_role("button", name="Invite a colleague")).to_have_count(0)
