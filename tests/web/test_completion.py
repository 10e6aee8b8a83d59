"""The writer completes names and hashtags, and says when a name is not clear."""

import asyncio
import re
import secrets
from typing import Any

from playwright.async_api import Route, expect

from tests.journeys.company import Company, Person, mention, until
from tests.waiting import eventually

from .conftest import Opens
from .test_look import axe


async def mentioned(person: Person) -> list[Any]:
    (tweet,) = await until(person, lambda feed: len(feed) == 1)
    return [
        (entity["user_id"], entity["start"])
        for entity in tweet["entities"]
        if entity["type"] == "mention"
    ]


async def test_a_name_is_completed_by_keyboard_and_namesakes_are_told_apart(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    family = f"Qz{secrets.token_hex(3)}"
    first, second = [await company.hire(f"Eve {family}") for _ in range(2)]
    await mention(bob, "welcome", first)
    await ann.follow(second)
    window = await opens(ann)
    form = await window.writes()
    box = form.get_by_role("textbox", name="What's new?")

    await box.press_sequentially(f"\U0001f426 @Eve {family[:5]}")
    options = form.get_by_role("option")
    await expect(options).to_have_count(2)
    await expect(options.first).to_contain_text(f"Following · No. {second.id}")
    await expect(options.first).to_have_attribute("aria-selected", "true")
    await expect(box).to_have_attribute(
        "aria-activedescendant", f"{await options.first.get_attribute('id')}"
    )
    assert await axe(window.page) == []
    await box.press("ArrowDown")
    await expect(options.last).to_have_attribute("aria-selected", "true")
    await box.press("Enter")
    await expect(box).to_have_value(f"\U0001f426 @Eve {family} ")
    await expect(options).to_have_count(0)
    await box.press_sequentially("hello")
    await box.press("Home")
    await box.press_sequentially("Well, ")
    await window.posts(form)

    assert await mentioned(ann) == [(first.id, 8)]


async def test_a_name_that_was_changed_after_all_is_no_mention(
    company: Company, opens: Opens
) -> None:
    ann = await company.hire("Ann")
    name = f"Qz{secrets.token_hex(3)}"
    await company.hire(name)
    window = await opens(ann)
    form = await window.writes()
    box = form.get_by_role("textbox", name="What's new?")

    await box.press_sequentially(f"@{name[:6]}")
    await form.get_by_role("option", name=name).click()
    await expect(box).to_have_value(f"@{name} ")
    await box.press("Backspace")
    await box.press_sequentially("x")
    # A list of similar names would cover the button.
    await box.blur()
    await window.posts(form)

    assert await mentioned(ann) == []


async def test_escape_closes_the_list_and_nothing_else(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    await company.hire(f"Bo {secrets.token_hex(3)}")
    window = await opens(ann)
    await window.page.get_by_role("button", name="Write").click()
    form = window.page.get_by_role("dialog").get_by_role("form")
    box = form.get_by_role("textbox", name="What's new?")

    await box.press_sequentially("@Bo")
    await expect(form.get_by_role("option").first).to_be_visible()
    await box.press("Escape")
    await expect(form.get_by_role("option")).to_have_count(0)
    await box.press_sequentially(" ")
    await expect(form).to_be_visible()
    await box.press("Escape")

    await expect(form).to_have_count(0)


async def test_suggestions_that_come_after_the_field_was_left_are_dropped(
    company: Company, opens: Opens
) -> None:
    window = await opens(await company.hire("Ann"))
    page = window.page
    found = re.compile(r"/api/users\?.*query=An")
    left = asyncio.Event()

    async def hold(route: Route) -> None:
        await left.wait()
        await route.continue_()

    await page.route(found, hold)
    form = await window.writes()
    box = form.get_by_role("textbox", name="What's new?")

    async with page.expect_request(found):
        await box.press_sequentially("@An")
    await box.blur()
    async with page.expect_response(found):
        left.set()
    await window.has_handled_responses()

    assert window.troubles == []
    await expect(form.get_by_role("option")).to_have_count(0)


async def test_hashtags_are_completed(company: Company, opens: Opens) -> None:
    ann = await company.hire("Ann")
    tag = f"Qz{secrets.token_hex(4)}"
    await ann.post(f"with #{tag}")

    window = await opens(ann)
    form = await window.writes()
    box = form.get_by_role("textbox", name="What's new?")

    typed = f"#{tag[:8].lower()}"

    # Each replica of the feed counts a new hashtag some seconds later.
    async def is_found() -> bool:
        await box.fill("")
        async with window.page.expect_response(lambda answer: typed[1:] in answer.url) as answered:
            await box.press_sequentially(typed)
        return bool((await (await answered.value).json())["tags"])

    await eventually(is_found)
    await expect(form.get_by_role("option", name=f"#{tag}")).to_be_visible()
    await box.press("ArrowDown")
    await box.press("Enter")

    await expect(box).to_have_value(f"#{tag} ")


async def test_the_list_closes_when_the_sentence_goes_on_after_a_name(
    company: Company, opens: Opens
) -> None:
    name = f"Qz{secrets.token_hex(3)}"
    await company.hire(name)
    window = await opens(await company.hire("Ann"))
    form = await window.writes()
    box = form.get_by_role("textbox", name="What's new?")
    option = form.get_by_role("option", name=name)

    await box.press_sequentially(f"@{name}")
    await expect(option).to_be_visible()
    for mark in "!?.,":
        await box.press_sequentially(mark)
        await expect(option).to_have_count(0)
        await box.press("Backspace")
        await expect(option).to_be_visible()


async def test_a_name_of_several_people_that_was_typed_is_explained(
    company: Company, opens: Opens
) -> None:
    ann, bob = await company.hire("Ann"), await company.hire("Bob")
    name = f"Qz{secrets.token_hex(3)}"
    for _ in range(2):
        await mention(bob, "welcome", await company.hire(name))
    window = await opens(ann)
    form = await window.writes(f"hello @{name}!")
    await window.posts(form)

    await expect(window.page.get_by_text(f"Several people are called {name}")).to_be_visible()
    assert await mentioned(ann) == []
