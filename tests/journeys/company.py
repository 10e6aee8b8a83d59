"""People who use the running system as clients do: through the gateway, with an API key."""

from typing import Any

import httpx

from tests.waiting import eventually
from tools.api_client import Api as Company
from tools.api_client import Person, png
from tools.api_client import api_of as company_at

__all__ = [
    "Company",
    "Person",
    "company_at",
    "mention",
    "png",
    "until",
    "until_accepted",
    "until_gone",
    "until_readable",
    "until_status",
    "with_role",
]


async def until(person: Person, wanted: Any, query: str = "") -> list[dict[str, Any]]:
    """Polls the person's feed until `wanted(feed)` is true; returns it. Raises AssertionError."""
    shown: list[dict[str, Any]] = []

    async def is_as_wanted() -> bool:
        shown[:] = await person.feed(query)
        return bool(wanted(shown))

    try:
        await eventually(is_as_wanted)
    except AssertionError:
        raise AssertionError(f"the feed is still {shown}") from None
    return shown


async def until_gone(company: Company, path: str) -> None:
    async def is_gone() -> bool:
        return (await company.http.get(path)).status_code == 404

    await eventually(is_gone)


async def until_status(person: Person, method: str, path: str, status: int) -> httpx.Response:
    """Repeats the call until its response has this status; returns the response."""

    async def response() -> httpx.Response | None:
        answer = await person.ask(method, path)
        return answer if answer.status_code == status else None

    return await eventually(response)


async def until_accepted(person: Person, method: str, path: str, **arguments: Any) -> None:
    """Repeats the call until it succeeds: its service may not know the tweet or person yet."""

    async def is_accepted() -> bool:
        return (await person.ask(method, path, **arguments)).is_success

    await eventually(is_accepted)


async def until_readable(reader: Person, tweet_id: int) -> None:
    """Waits for somebody else's tweet: a read waits only for what the reader has done."""
    await until_accepted(reader, "GET", f"/api/tweets/{tweet_id}")


async def mention(author: Person, text: str, person: Person, *, reply_to: int | None = None) -> int:
    """Posts a tweet that begins with a mention, as soon as tweets knows the person."""
    content = f"@{person.name} {text}"
    mentions = [{"user_id": person.id, "start": 0, "length": len(person.name) + 1}]
    draft = {"tweet_data": content, "mentions": mentions, "reply_to": reply_to}

    async def post() -> httpx.Response | None:
        response = await author.ask("POST", "/api/tweets", json=draft)
        return None if response.status_code == 422 else response

    return int((await eventually(post)).json()["tweet_id"])


async def with_role(company: Company, name: str, role: str) -> Person:
    person = await company.hire(name)
    await company.administrator.done("PUT", f"/api/users/{person.id}/roles/{role}")

    async def has_role() -> bool:
        return bool((await person.done("GET", "/api/users/me"))[role])

    await eventually(has_role)
    return person
