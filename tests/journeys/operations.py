"""The permissions of every operation of the contract, as a table.

Each row prepares a call about an owner's data and states the expected response for the owner, for
another person and for an administrator. test_access.py runs all rows, and fails if the contract has
an operation without a row.
"""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import gateway
from tests.waiting import eventually

from .company import Person, png, until_accepted, until_status

DOCUMENT: dict[str, Any] = json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text())
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}

Asked = tuple[str, dict[str, Any]]
"""The path, and keyword arguments of httpx's `request`."""

FINE, MADE, ACCEPTED = "200", "201", "202"
ADMINISTRATORS = "403 NotAnAdministrator"
MODERATORS = "403 NotAModerator"
ANNOUNCERS = "403 NotAnAnnouncer"
NO_ANNOUNCEMENT = "404 AnnouncementNotFound"
NOT_YOURS = "403 NotYourKeys"
NARROW = "403 AccountScopeRequired"


class Row(NamedTuple):
    """The expected responses: the status and, for an error, its `error_type`."""

    asks: Callable[[Person], Awaitable[Asked]]
    """Prepares a call about data of the owner."""
    owner: str = FINE
    another: str = FINE
    administrator: str = FINE
    narrow: str = ""
    """For the owner with a key of the scope `write`; empty if it is the same as for `owner`."""


def _at(path: str, **request: Any) -> Callable[[Person], Awaitable[Asked]]:
    async def asks(owner: Person) -> Asked:
        return path.format(owner=owner.id), request

    return asks


def _about_a_tweet(path: str) -> Callable[[Person], Awaitable[Asked]]:
    async def asks(owner: Person) -> Asked:
        tweet_id = await owner.post()
        # A read of the author waits until the feed has the tweet; a read of another would not.
        await owner.feed()
        return path.format(tweet=tweet_id), {}

    return asks


def _about_a_thread(path: str) -> Callable[[Person], Awaitable[Asked]]:
    async def asks(owner: Person) -> Asked:
        tweet_id = await owner.post()
        await until_accepted(owner, "GET", f"/api/tweets/{tweet_id}/subscription")
        return path.format(tweet=tweet_id), {}

    return asks


async def _a_person_to_watch(owner: Person) -> Asked:
    path = f"/api/users/{owner.id}/watch"
    await until_status(owner, "POST", path, 409)
    return path, {}


async def _a_notification(owner: Person) -> Asked:
    """The new key of the owner, of whom the first key is no news."""
    key = await owner.done("POST", f"/api/users/{owner.id}/keys", json={"scope": "read"})

    async def groups() -> list[str]:
        listed = (await owner.done("GET", "/api/notifications"))["notifications"]
        return [group["id"] for group in listed if group["id"].startswith("security:")]

    await eventually(groups)
    await owner.done("DELETE", f"/api/users/{owner.id}/keys/{key['key_id']}")
    return f"/api/notifications/{(await groups())[0]}/read", {}


def _about_a_key(path: str, **request: Any) -> Callable[[Person], Awaitable[Asked]]:
    async def asks(owner: Person) -> Asked:
        (key,) = (await owner.done("GET", f"/api/users/{owner.id}/keys"))["keys"]
        return path.format(owner=owner.id, key=key["id"]), request

    return asks


async def _a_session(owner: Person) -> Asked:
    credentials = {"api_key": owner.key}
    signed_in = await owner.http.post("/api/session", json=credentials)
    owner.http.cookies.clear()
    assert signed_in.is_success
    (session,) = (await owner.done("GET", f"/api/users/{owner.id}/sessions"))["sessions"]
    return f"/api/users/{owner.id}/sessions/{session['id']}", {}


async def _a_tweet_with_the_owners_picture(owner: Person) -> Asked:
    draft = {"tweet_data": "…", "tweet_media_ids": [await owner.upload()]}
    return "/api/tweets", {"json": draft}


async def _a_picture(owner: Person) -> Asked:
    tweet_id = await owner.post("…", [await owner.upload()])
    (attachment,) = [
        tweet["attachments"][0] for tweet in await owner.feed() if tweet["id"] == tweet_id
    ]
    return attachment, {}


async def _an_upload(_: Person) -> Asked:
    return "/api/medias", {"files": {"file": ("picture.png", png(), "image/png")}}


def _about_an_announcement(path: str) -> Callable[[Person], Awaitable[Asked]]:
    """Only announcers can make one, so the owner's tweet is none; tests/tweets has the rest."""
    return _about_a_tweet(f"/api/announcements/{{tweet}}{path}")


async def _an_announcement(_: Person) -> Asked:
    """One that is refused for its time: everybody would be notified of another one."""
    until = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    return "/api/announcements", {"json": {"tweet_data": "…", "until": until}}


async def _a_report(owner: Person) -> Asked:
    return "/api/reports", {"json": {"tweet_id": await owner.post(), "reason": "spam"}}


async def _hiding(owner: Person) -> Asked:
    return f"/api/tweets/{await owner.post()}/hidden", {"json": {"reason": "other"}}


async def _a_picture_of_the_owner(owner: Person) -> Asked:
    files = {"file": ("picture.png", png(), "image/png")}
    return f"/api/users/{owner.id}/picture", {"files": files}


def _by_name(path: str) -> Callable[[Person], Awaitable[Asked]]:
    async def asks(owner: Person) -> Asked:
        return path, {"json": {"user_id": owner.id, "name": owner.name}}

    return asks


ROWS: dict[str, Row] = {
    "GET /api/audit": Row(_at("/api/audit?limit=1"), ADMINISTRATORS, ADMINISTRATORS, FINE),
    "GET /api/export": Row(_at("/api/export")),
    "POST /api/erasures": Row(
        _by_name("/api/erasures"), ACCEPTED, "403 NotYourself", ACCEPTED, NARROW
    ),
    "GET /api/erasures/{id}": Row(
        _at("/api/erasures/{owner}"), ADMINISTRATORS, ADMINISTRATORS, "404 ErasureNotFound"
    ),
    "POST /api/medias": Row(_an_upload, MADE, MADE, MADE),
    "GET /api/tweets": Row(_at("/api/tweets")),
    "POST /api/tweets": Row(
        _a_tweet_with_the_owners_picture, MADE, "403 NotYourMedia", "403 NotYourMedia"
    ),
    "DELETE /api/tweets/{id}": Row(
        _about_a_tweet("/api/tweets/{tweet}"), FINE, "403 NotTheAuthor", "403 NotTheAuthor"
    ),
    "POST /api/tweets/{id}/likes": Row(_about_a_tweet("/api/tweets/{tweet}/likes")),
    "DELETE /api/tweets/{id}/likes": Row(_about_a_tweet("/api/tweets/{tweet}/likes")),
    "GET /api/tweets/{id}/likes": Row(_about_a_tweet("/api/tweets/{tweet}/likes")),
    "GET /api/tweets/{id}": Row(_about_a_tweet("/api/tweets/{tweet}")),
    "GET /api/tweets/{id}/thread": Row(_about_a_tweet("/api/tweets/{tweet}/thread")),
    "POST /api/tweets/{id}/mute": Row(_about_a_thread("/api/tweets/{tweet}/mute")),
    "DELETE /api/tweets/{id}/mute": Row(_about_a_thread("/api/tweets/{tweet}/mute")),
    "POST /api/tweets/{id}/subscription": Row(_about_a_thread("/api/tweets/{tweet}/subscription")),
    "DELETE /api/tweets/{id}/subscription": Row(
        _about_a_thread("/api/tweets/{tweet}/subscription")
    ),
    "GET /api/tweets/{id}/subscription": Row(_about_a_thread("/api/tweets/{tweet}/subscription")),
    "POST /api/reports": Row(_a_report, "409 CannotReportYourself", MADE, MADE),
    "GET /api/reports": Row(_at("/api/reports?limit=1"), MODERATORS, MODERATORS, FINE),
    "GET /api/reports/open": Row(_at("/api/reports/open"), MODERATORS, MODERATORS, FINE),
    "POST /api/reports/{id}/closure": Row(
        _at("/api/reports/1000000/closure", json={}), MODERATORS, MODERATORS, "404 ReportNotFound"
    ),
    "PUT /api/tweets/{id}/hidden": Row(_hiding, MODERATORS, MODERATORS, FINE),
    "GET /api/tweets/{id}/hidden": Row(
        _about_a_tweet("/api/tweets/{tweet}/hidden"),
        "404 TweetNotHidden",
        MODERATORS,
        "404 TweetNotHidden",
    ),
    "DELETE /api/tweets/{id}/hidden": Row(
        _about_a_tweet("/api/tweets/{tweet}/hidden"), MODERATORS, MODERATORS, FINE
    ),
    "POST /api/announcements": Row(
        _an_announcement, ANNOUNCERS, ANNOUNCERS, "422 AnnouncementPeriodNotAccepted"
    ),
    "GET /api/announcements": Row(_at("/api/announcements")),
    **{
        f"{method} /api/announcements/{{tweet_id}}{path}": Row(
            _about_an_announcement(path), NO_ANNOUNCEMENT, NO_ANNOUNCEMENT, NO_ANNOUNCEMENT
        )
        for method, path in (
            ("DELETE", ""),
            ("POST", "/acknowledgement"),
            ("GET", "/acknowledgements"),
            ("GET", "/acknowledgements.csv"),
            ("POST", "/reminder"),
        )
    },
    "PUT /api/tweets/{id}/pin": Row(
        _about_a_tweet("/api/tweets/{tweet}/pin"), FINE, "403 NotYourTweet", "403 NotYourTweet"
    ),
    "DELETE /api/tweets/{id}/pin": Row(_about_a_tweet("/api/tweets/{tweet}/pin")),
    "GET /api/users/{id}/pins": Row(_at("/api/users/{owner}/pins")),
    "GET /api/notifications": Row(_at("/api/notifications")),
    "GET /api/notifications/unread": Row(_at("/api/notifications/unread")),
    "POST /api/notifications/seen": Row(_at("/api/notifications/seen", json={"seq": 1})),
    "POST /api/notifications/{id}/read": Row(
        _a_notification, FINE, "404 NotificationNotFound", "404 NotificationNotFound"
    ),
    "GET /api/notifications/settings": Row(_at("/api/notifications/settings")),
    "PATCH /api/notifications/settings": Row(_at("/api/notifications/settings", json={})),
    "GET /api/stream": Row(_at("/api/stream")),
    "POST /api/stream/watching": Row(_at("/api/stream/watching", json={"stream": "none"})),
    "GET /api/search": Row(_at("/api/search?q=x")),
    "GET /api/tags": Row(_at("/api/tags")),
    "POST /api/tags/followed": Row(_at("/api/tags/followed", json={"tag": "x"})),
    "DELETE /api/tags/followed": Row(_at("/api/tags/followed?tag=x")),
    "GET /api/health": Row(_at("/api/health"), ADMINISTRATORS, ADMINISTRATORS, FINE),
    "GET /api/people": Row(_at("/api/people?limit=1"), ADMINISTRATORS, ADMINISTRATORS, FINE),
    "GET /api/people.csv": Row(_at("/api/people.csv"), ADMINISTRATORS, ADMINISTRATORS, FINE),
    "POST /api/people/import": Row(
        _at("/api/people/import", content="name\r\nNewcomer"),
        ADMINISTRATORS,
        ADMINISTRATORS,
        FINE,
    ),
    "GET /api/users": Row(_at("/api/users?limit=1")),
    "POST /api/users": Row(
        _at("/api/users", json={"name": "Newcomer"}), ADMINISTRATORS, ADMINISTRATORS, MADE
    ),
    "GET /api/users/me": Row(_at("/api/users/me")),
    "GET /api/users/{id}": Row(_at("/api/users/{owner}")),
    "PATCH /api/users/{id}": Row(
        _at("/api/users/{owner}", json={"name": "Another Name"}), FINE, "403 NotYourName", FINE
    ),
    "DELETE /api/users/{id}": Row(_at("/api/users/{owner}"), ADMINISTRATORS, ADMINISTRATORS, FINE),
    "PUT /api/users/{id}/picture": Row(_a_picture_of_the_owner, FINE, "403 NotYourPicture", FINE),
    "DELETE /api/users/{id}/picture": Row(
        _at("/api/users/{owner}/picture"), FINE, "403 NotYourPicture", FINE
    ),
    "PUT /api/users/{id}/administrator": Row(
        _at("/api/users/{owner}/administrator"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "DELETE /api/users/{id}/administrator": Row(
        _at("/api/users/{owner}/administrator"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "POST /api/users/{id}/reactivation": Row(
        _at("/api/users/{owner}/reactivation"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "PUT /api/users/{id}/roles/{role}": Row(
        _at("/api/users/{owner}/roles/moderator"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "DELETE /api/users/{id}/roles/{role}": Row(
        _at("/api/users/{owner}/roles/moderator"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "POST /api/users/{id}/follow": Row(
        _at("/api/users/{owner}/follow"), "409 CannotFollowYourself"
    ),
    "DELETE /api/users/{id}/follow": Row(_at("/api/users/{owner}/follow")),
    "POST /api/users/{id}/watch": Row(_a_person_to_watch, "409 CannotWatchYourself"),
    "DELETE /api/users/{id}/watch": Row(_at("/api/users/{owner}/watch")),
    "GET /api/users/{id}/watch": Row(_at("/api/users/{owner}/watch")),
    "GET /api/users/{id}/followers": Row(_at("/api/users/{owner}/followers")),
    "GET /api/users/{id}/following": Row(_at("/api/users/{owner}/following")),
    "POST /api/users/{id}/key": Row(
        _at("/api/users/{owner}/key"), ADMINISTRATORS, ADMINISTRATORS, MADE
    ),
    "DELETE /api/users/{id}/key": Row(
        _at("/api/users/{owner}/key"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "POST /api/invitations": Row(
        _at("/api/invitations", json={"name": "Newcomer"}), ADMINISTRATORS, ADMINISTRATORS, MADE
    ),
    "POST /api/users/{id}/invitation": Row(
        _at("/api/users/{owner}/invitation"), ADMINISTRATORS, ADMINISTRATORS, MADE
    ),
    "DELETE /api/users/{id}/invitation": Row(
        _at("/api/users/{owner}/invitation"), ADMINISTRATORS, ADMINISTRATORS, FINE
    ),
    "GET /api/users/{id}/keys": Row(_at("/api/users/{owner}/keys"), FINE, NOT_YOURS, FINE),
    "POST /api/users/{id}/keys": Row(
        _at("/api/users/{owner}/keys", json={}), MADE, NOT_YOURS, MADE
    ),
    "DELETE /api/users/{id}/keys/{key_id}": Row(
        _about_a_key("/api/users/{owner}/keys/{key}"), FINE, NOT_YOURS, FINE, NARROW
    ),
    "POST /api/users/{id}/keys/{key_id}/replacement": Row(
        _about_a_key("/api/users/{owner}/keys/{key}/replacement", json={}),
        MADE,
        NOT_YOURS,
        MADE,
        NARROW,
    ),
    "POST /api/sign-on/{provider}/link": Row(
        _at("/api/sign-on/nothing/link"),
        "404 ProviderNotFound",
        "404 ProviderNotFound",
        "404 ProviderNotFound",
    ),
    "GET /api/users/{id}/identities": Row(
        _at("/api/users/{owner}/identities"), FINE, NOT_YOURS, FINE
    ),
    "PUT /api/users/{id}/identities/{provider}": Row(
        _at("/api/users/{owner}/identities/nothing", json={"subject": "x"}),
        ADMINISTRATORS,
        ADMINISTRATORS,
        "404 ProviderNotFound",
    ),
    "DELETE /api/users/{id}/identities/{provider}": Row(
        _at("/api/users/{owner}/identities/nothing"),
        ADMINISTRATORS,
        ADMINISTRATORS,
        "404 ProviderNotFound",
    ),
    "GET /api/users/{id}/sessions": Row(_at("/api/users/{owner}/sessions"), FINE, NOT_YOURS, FINE),
    "DELETE /api/users/{id}/sessions/{session_id}": Row(_a_session, FINE, NOT_YOURS, FINE, NARROW),
    "GET /api/users/{id}/tweets": Row(_at("/api/users/{owner}/tweets")),
    "GET /api/users/{id}/likes": Row(_at("/api/users/{owner}/likes")),
    "GET /uploads/{name}": Row(_a_picture),
    "HEAD /uploads/{name}": Row(_a_picture),
}
EXCHANGES = {
    "POST /api/session",
    "DELETE /api/session",
    "POST /api/session/invitation",
    "GET /api/sign-on",
    "GET /api/sign-on/{provider}/start",
    "GET /api/sign-on/{provider}/callback",
    "POST /api/sign-on/{provider}/logout",
}
"""They need no credential, or take what proves a person. The gateway answers them itself."""


SERVED = [operation for operation in ROWS if OPERATIONS[operation]["x-warble-service"] != "gateway"]
"""The operations that a service answers, not the gateway."""


CHANGES_THE_OWNER = re.compile(
    r"POST /api/erasures|(PATCH|DELETE) /api/users/{id}$"
    r"|(POST|PUT|DELETE) /api/users/{id}/(keys?|sessions|administrator|roles|reactivation)\b"
)
"""Operations that change the owner, and so need a new one. The others share one owner."""


def is_open(operation: str) -> bool:
    return OPERATIONS[operation].get("security") == []
