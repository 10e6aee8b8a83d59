"""Signing in with the company's account, in a real browser at a real provider (Canaille)."""

from playwright.async_api import Browser, Page, expect

from devstack.instance import Instance
from tests.journeys.company import Company
from tests.waiting import PATIENCE_SECONDS

from .conftest import Opens
from .visitor import SCREENS

BUTTON = "Sign in with the demonstration account"


async def new_page(browser: Browser, stack: Instance, screen: str) -> Page:
    context = await browser.new_context(
        base_url=stack.gateway_url, locale="en-GB", service_workers="block", **SCREENS[screen]
    )
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    return await context.new_page()


async def test_a_person_signs_in_by_the_button_and_out_everywhere(
    browser: Browser, stack: Instance, demonstration_provider: str
) -> None:
    page = await new_page(browser, stack, "phone")
    await page.goto("/people")
    await page.get_by_role("link", name=BUTTON).click()
    await page.wait_for_url(f"{demonstration_provider}/**")
    await page.locator("input[name=login]").fill("anna")
    await page.locator("button[type=submit]:visible").first.click()
    await page.locator("input[type=password]").fill("anna")
    await page.locator("button[type=submit]:visible").first.click()
    await page.wait_for_url(f"{stack.gateway_url}/people")
    await expect(page.get_by_role("heading", name="People")).to_be_visible()

    (session,) = [c for c in await page.context.cookies() if c["name"] == "warble_session"]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
    await page.goto("/")
    await page.get_by_role("button", name="Skip").click()
    await page.get_by_role("button", name="Settings").click()
    async with page.expect_request(f"{demonstration_provider}/**"):
        await page.get_by_role("button", name="Sign out").click()

    # Another tab, because the provider may be sending this one back.
    other = await page.context.new_page()
    await other.goto("/")
    await expect(other.get_by_role("link", name=BUTTON)).to_be_visible()


async def test_the_page_says_why_a_sign_on_failed(browser: Browser, stack: Instance) -> None:
    page = await new_page(browser, stack, "wide")
    await page.goto("/?sign_on=NotAdmitted")

    await expect(page.get_by_role("alert")).to_contain_text("in no group that may use Warble")
    assert page.url == f"{stack.gateway_url}/"
    await page.goto("/?sign_on=%3Cscript%3E")
    await expect(page.get_by_role("alert")).to_contain_text("Signing in didn't work")


async def test_settings_list_where_somebody_is_signed_in_and_offer_to_link(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    window = await opens(ann)
    page = window.page
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Keys and devices").click()
    dialog = page.get_by_role("dialog")

    await expect(dialog.get_by_text("This browser")).to_be_visible()
    await expect(dialog.get_by_role("heading", name="Company accounts")).to_be_visible()
    await expect(dialog.get_by_role("button", name="Link Company account")).to_be_visible()
