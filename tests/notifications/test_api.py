"""The API of the notifications: groups, the badge, the marker, settings, muted threads."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from chassis import testing
from chassis.database.session import Database, fetch
from chassis.messaging import inbox
from chassis.messaging.events import EventId
from services.notifications import commands, own_writes, queries
from services.notifications.kinds import DEFAULT_DELIVERY, Kind
from tests import plans
from tests.waiting import PATIENCE_SECONDS

from .rows import NOON, follow, notify, people, person, tweet

TODAY = NOON.date().isoformat()
YESTERDAY = (NOON.date() - timedelta(days=1)).isoformat()


class Reader:
    """A person who calls the API."""

    def __init__(self, client: httpx.AsyncClient, user_id: int) -> None:
        self.client = client
        self.id = user_id

    async def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = testing.identity_headers("notifications", self.id) | request.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **request)

    async def done(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        response = await self.call(method, path, **request)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        assert body["result"] is True
        return body

    async def page(self, query: str = "") -> dict[str, Any]:
        return await self.done("GET", f"/api/notifications{query}")

    async def listed(self) -> list[str]:
        return [group["id"] for group in (await self.page("?limit=100"))["notifications"]]

    async def unread(self) -> int:
        """The number in the badge, which every call must agree on."""
        count: int = (await self.done("GET", "/api/notifications/unread"))["count"]
        page = await self.page("?limit=100")
        assert page["unread"] == count
        assert sum(group["unread"] for group in page["notifications"]) == count
        return count

    async def see(self, seq: int) -> dict[str, Any]:
        return await self.done("POST", "/api/notifications/seen", json={"seq": seq})

    async def set(self, **kinds: dict[str, str]) -> None:
        await self.done("PATCH", "/api/notifications/settings", json={"kinds": kinds})


@pytest.fixture
async def ann(notifications: httpx.AsyncClient, database: Database) -> Reader:
    return Reader(notifications, await person(database, "Ann"))


async def notices(database: Database, user_id: int) -> list[int]:
    """The positions of the notices that tell the person's devices of a changed badge."""
    async with database.transaction() as session:
        rows = await fetch(
            session,
            "select position from notice where kind = 'seen' and recipient_id = $1 order by 1",
            user_id,
        )
    return [row["position"] for row in rows]


async def test_likes_of_one_tweet_on_one_day_are_one_group(ann: Reader, database: Database) -> None:
    own = await tweet(database, ann.id)
    earlier, *likers = await people(database, 6)
    await notify(database, ann.id, "like", earlier, subject=own, root=own, days_ago=1)
    for liker in likers:
        seq = await notify(database, ann.id, "like", liker, subject=own, root=own)

    today, yesterday = (await ann.page())["notifications"]

    assert today == {
        "id": f"like:{own}:{TODAY}",
        "kind": "like",
        "seq": seq,
        "created_at": NOON.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "unread": False,
        "read": False,
        "people": [
            {"id": likers[4], "name": "Person 5"},
            {"id": likers[3], "name": "Person 4"},
            {"id": likers[2], "name": "Person 3"},
        ],
        "people_count": 5,
        "tweet_id": own,
        "tweet_count": 1,
        "thread_id": own,
        "moderation": None,
        "credential": None,
    }
    assert yesterday["id"] == f"like:{own}:{YESTERDAY}"
    assert yesterday["people_count"] == 1


async def test_a_group_of_replies_counts_people_and_tweets(ann: Reader, database: Database) -> None:
    own = await tweet(database, ann.id)
    boris, vera = await people(database, 2)
    replies = [await tweet(database, author, own) for author in (boris, vera, boris)]
    for author, reply in zip((boris, vera, boris), replies, strict=True):
        await notify(database, ann.id, "reply", author, subject=reply, about=own, root=own)

    (group,) = (await ann.page())["notifications"]

    assert [one["id"] for one in group["people"]] == [boris, vera]
    assert (group["people_count"], group["tweet_count"]) == (2, 3)
    assert (group["tweet_id"], group["thread_id"]) == (replies[-1], own)


async def test_each_kind_says_what_to_open(ann: Reader, database: Database) -> None:
    boris = await person(database, "Boris")
    root, reply = 70_001, 70_002
    await notify(database, ann.id, "security", subject=12)
    await notify(database, ann.id, "security", subject=-12)
    await notify(database, ann.id, "follow", boris)
    await notify(database, ann.id, "watch", boris, subject=root, about=boris, root=root)
    await notify(database, ann.id, "thread", boris, subject=reply, about=root, root=root)
    await notify(database, ann.id, "mention", boris, subject=reply + 1, root=root)

    found = (await ann.page())["notifications"]

    people = [{"id": boris, "name": "Boris"}]
    assert [
        (
            group["id"],
            group["people"],
            group["people_count"],
            group["tweet_id"],
            group["tweet_count"],
            group["thread_id"],
            group["credential"],
        )
        for group in found
    ] == [
        (f"mention:{reply + 1}:{TODAY}", people, 1, reply + 1, 1, root, None),
        (f"thread:{root}:{TODAY}", people, 1, reply, 1, root, None),
        (f"watch:{boris}:{TODAY}", people, 1, root, 1, root, None),
        (f"follow:0:{TODAY}", people, 1, None, 0, None, None),
        (f"security:-12:{TODAY}", [], 0, None, 0, None, "session"),
        (f"security:12:{TODAY}", [], 0, None, 0, None, "key"),
    ]


async def test_the_badge_counts_groups_of_loud_kinds_only(ann: Reader, database: Database) -> None:
    boris, vera = await people(database, 2)
    for subject in range(80_001, 80_003):
        await notify(database, ann.id, "mention", boris, subject=subject, root=subject)
        await notify(database, ann.id, "like", boris, subject=subject, root=subject)
    await notify(database, ann.id, "reply", boris, subject=80_004, about=80_003, root=80_003)
    await notify(database, ann.id, "reply", vera, subject=80_005, about=80_003, root=80_003)
    await notify(database, ann.id, "follow", boris)
    await notify(database, ann.id, "thread", boris, subject=80_007, about=80_006, root=80_006)

    assert await ann.unread() == 3
    assert len(await ann.listed()) == 7


async def test_the_unread_count_ends_at_a_hundred(ann: Reader, database: Database) -> None:
    for subject in range(101):
        await notify(database, ann.id, "mention", 1, subject=90_000 + subject, root=1)

    first = await ann.done("GET", "/api/notifications/unread")
    oldest = (await ann.page("?limit=100"))["notifications"][-1]["seq"]
    after = await ann.see(oldest)

    assert first == {"result": True, "count": 100, "seen": 0}
    assert after == {"result": True, "count": 99, "seen": oldest}


async def test_the_marker_moves_forward_only_whatever_the_order_of_calls(
    ann: Reader, database: Database
) -> None:
    seqs = [
        await notify(database, ann.id, "mention", 1, subject=100_000 + number, root=1)
        for number in range(20)
    ]
    shuffled = [seqs[(7 * number) % 20] for number in range(20)]

    answers = await asyncio.gather(*(ann.see(seq) for seq in shuffled))
    moved = await notices(database, ann.id)
    back = await ann.see(seqs[3])

    for seq, answer in zip(shuffled, answers, strict=True):
        assert answer["seen"] >= seq
        assert answer["count"] == sum(later > answer["seen"] for later in seqs)
    assert back == {"result": True, "count": 0, "seen": seqs[-1]}
    assert await notices(database, ann.id) == moved
    assert 1 <= len(moved) <= 20


async def test_a_marker_beyond_the_last_notification_hides_nothing_that_is_to_come(
    ann: Reader, database: Database
) -> None:
    await notify(database, ann.id, "mention", 1, subject=110_001, root=1)

    seen = await ann.see(2**53 - 1)
    await notify(database, ann.id, "mention", 1, subject=110_002, root=1)

    assert seen["count"] == 0
    assert await ann.unread() == 1


async def test_opening_a_notification_marks_its_group_as_read(
    ann: Reader, notifications: httpx.AsyncClient, database: Database
) -> None:
    boris = Reader(notifications, await person(database, "Boris"))
    for recipient in (ann, boris):
        await notify(database, recipient.id, "reply", 1, subject=120_002, about=120_001, root=1)
    await notify(database, ann.id, "mention", 1, subject=120_003, root=1)
    path = f"/api/notifications/reply:120001:{TODAY}/read"

    opened = [await ann.done("POST", one) for one in (path, path.replace(":", "%3A"))]
    read = {group["kind"]: group["read"] for group in (await ann.page())["notifications"]}
    changes = await notices(database, ann.id)
    await notify(database, ann.id, "reply", 2, subject=120_004, about=120_001, root=1)

    assert [answer["count"] for answer in opened] == [1, 1]
    assert read == {"reply": True, "mention": False}
    assert len(changes) == 1
    assert await ann.unread() == 2
    assert await boris.unread() == 1


async def test_a_muted_thread_is_hidden_except_for_mentions_until_it_is_unmuted(
    ann: Reader, database: Database
) -> None:
    boris = await person(database, "Boris")
    own = await tweet(database, ann.id)
    reply = await tweet(database, boris, own)
    elsewhere = await tweet(database, ann.id)
    for root in (own, elsewhere):
        await notify(database, ann.id, "reply", boris, subject=reply + root, about=root, root=root)
    await notify(database, ann.id, "like", boris, subject=own, root=own)
    await notify(database, ann.id, "thread", boris, subject=130_001, about=own, root=own)
    await notify(database, ann.id, "mention", boris, subject=130_002, root=own)
    # The tweets of a watched person are one group, whatever their threads.
    await notify(database, ann.id, "watch", boris, subject=own + 1, about=boris, root=elsewhere)
    await notify(database, ann.id, "watch", boris, subject=130_003, about=boris, root=own)
    mute = f"/api/tweets/{reply}/mute"

    async def state() -> tuple[list[str], int]:
        return [one.rpartition(":")[0] for one in await ann.listed()], await ann.unread()

    before = await state()
    await ann.done("POST", mute)
    muted = await state()
    (watched, *_) = (await ann.page())["notifications"]
    await ann.done("POST", f"/api/tweets/{own}/mute", json={"mentions": True})
    mentions_muted = await state()
    for _ in range(2):
        await ann.done("DELETE", mute)

    watch, mention, other = f"watch:{boris}", "mention:130002", f"reply:{elsewhere}"
    assert before[0][:4] == [watch, mention, f"thread:{own}", f"like:{own}"]
    assert before[1] == 4
    assert muted == ([watch, mention, other], 3)
    assert (watched["tweet_id"], watched["tweet_count"]) == (own + 1, 1)
    assert mentions_muted == ([watch, other], 2)
    assert await state() == before
    assert len(await notices(database, ann.id)) == 3


async def test_a_thread_is_followed_or_muted_by_any_of_its_tweets(
    ann: Reader, database: Database
) -> None:
    root = await tweet(database, 1)
    first, second = [await tweet(database, 1, root) for _ in range(2)]

    async def state(tweet_id: int) -> dict[str, Any]:
        body = await ann.done("GET", f"/api/tweets/{tweet_id}/subscription")
        assert body["thread_id"] == root
        return {"state": body["state"], "mentions": body["mentions"]}

    async def threads() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = (await ann.done("GET", "/api/notifications/settings"))[
            "threads"
        ]
        return listed

    states = [await state(root)]
    for method, path in (
        ("POST", f"/api/tweets/{first}/subscription"),
        ("DELETE", f"/api/tweets/{first}/mute"),
        ("POST", f"/api/tweets/{second}/mute"),
        ("DELETE", f"/api/tweets/{first}/subscription"),
        ("POST", f"/api/tweets/{root}/subscription"),
    ):
        await ann.done(method, path)
        states.append(await state(second))
    followed = await threads()
    for _ in range(2):
        await ann.done("POST", f"/api/tweets/{first}/subscription")
    again = await threads()
    await ann.done("DELETE", f"/api/tweets/{second}/subscription")

    assert [one["state"] for one in states] == [
        "none",
        "followed",
        "followed",
        "muted",
        "muted",
        "followed",
    ]
    assert not any(one["mentions"] for one in states)
    assert [(one["thread_id"], one["state"]) for one in followed] == [(root, "followed")]
    assert again == followed
    assert await threads() == []


async def test_a_tweet_that_is_not_known_has_no_thread(ann: Reader, database: Database) -> None:
    placeholder = await tweet(database, 1)
    async with database.transaction() as session:
        await fetch(session, "update tweet set author_id = null where id = $1", placeholder)

    for tweet_id in (placeholder, 2**53 - 1):
        for method, call in (
            ("POST", "mute"),
            ("DELETE", "mute"),
            ("POST", "subscription"),
            ("DELETE", "subscription"),
            ("GET", "subscription"),
        ):
            response = await ann.call(method, f"/api/tweets/{tweet_id}/{call}")
            assert (response.status_code, response.json()["error_type"]) == (404, "TweetNotFound")


async def test_the_threads_of_a_person_are_bounded(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_THREADS", 2)
    first, second, third = [await tweet(database, 1) for _ in range(3)]
    await ann.done("POST", f"/api/tweets/{first}/mute")
    await ann.done("POST", f"/api/tweets/{second}/subscription")

    refused = await ann.call("POST", f"/api/tweets/{third}/mute")
    await ann.done("POST", f"/api/tweets/{second}/mute")

    assert (refused.status_code, refused.json()["error_type"]) == (422, "TooManyThreads")


async def test_each_kind_is_off_listed_or_in_the_badge(ann: Reader, database: Database) -> None:
    await notify(database, ann.id, "like", 1, subject=140_001, root=1)
    await notify(database, ann.id, "mention", 1, subject=140_002, root=1)

    async def state() -> tuple[list[str], int]:
        return [one.partition(":")[0] for one in await ann.listed()], await ann.unread()

    states = [await state()]
    for change in (
        {"like": {"delivery": "badge"}},
        {"mention": {"delivery": "list"}},
        {"mention": {"delivery": "off"}},
        {"mention": {"delivery": "badge"}, "like": {"delivery": "off"}},
    ):
        await ann.set(**change)
        states.append(await state())

    assert states == [
        (["mention", "like"], 1),
        (["mention", "like"], 2),
        (["mention", "like"], 1),
        (["like"], 1),
        (["mention"], 1),
    ]
    assert len(await notices(database, ann.id)) == 4


async def test_a_kind_may_be_limited_to_people_whom_one_follows(
    ann: Reader, database: Database
) -> None:
    followed, stranger, latest = await people(database, 3)
    await follow(database, ann.id, followed)
    for liker in (stranger, followed, latest):
        await notify(database, ann.id, "like", liker, subject=150_001, root=1)
    await notify(database, ann.id, "reply", followed, subject=150_003, about=150_002, root=1)
    await notify(database, ann.id, "reply", stranger, subject=150_004, about=150_002, root=1)
    await notify(database, ann.id, "mention", stranger, subject=150_005, root=1)
    await ann.set(
        **{kind: {"from": "following"} for kind in ("like", "reply", "mention", "follow")}
    )

    reply, like = (await ann.page())["notifications"]

    assert await ann.unread() == 1
    for group in (reply, like):
        assert group["people"] == [{"id": followed, "name": "Person 0"}]
        assert group["people_count"] == 1
    assert (reply["tweet_id"], reply["tweet_count"]) == (150_003, 1)
    # What the stranger did last does not make the group unread.
    assert (await ann.see(reply["seq"]))["count"] == 0


async def test_settings_are_changed_one_by_one_and_the_rest_stays(
    ann: Reader, notifications: httpx.AsyncClient
) -> None:
    usual = (await ann.done("GET", "/api/notifications/settings"))["kinds"]

    first = await ann.done(
        "PATCH",
        "/api/notifications/settings",
        json={"kinds": {"like": {"from": "following"}, "security": {"from": "everyone"}}},
    )
    second = await ann.done(
        "PATCH", "/api/notifications/settings", json={"kinds": {"like": {"delivery": "off"}}}
    )
    nothing = await ann.done("PATCH", "/api/notifications/settings", json={})

    assert usual == {
        kind: {"delivery": delivery, "from": "everyone"}
        for kind, delivery in DEFAULT_DELIVERY.items()
    }
    assert first["kinds"] == usual | {"like": {"delivery": "list", "from": "following"}}
    assert second["kinds"] == usual | {"like": {"delivery": "off", "from": "following"}}
    assert nothing == second == await ann.done("GET", "/api/notifications/settings")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"kinds": {"poke": {"delivery": "off"}}}', "kinds.poke"),
        ('{"kinds": {"like": {"delivery": "loud"}}}', "kinds.like.delivery"),
        ('{"kinds": {"like": {"from": "nobody"}}}', "kinds.like.from"),
        ('{"kinds": {"like": {"delivery": 1}}}', "kinds.like.delivery"),
        ('{"kinds": {"like": {"deliver": "off"}}}', "kinds.like.deliver"),
        ('{"kinds": {"like": "off"}}', "kinds.like"),
        ('{"kinds": ["like"]}', "kinds"),
        ('{"kinds": {"security": {"from": "following"}}}', "kinds.security.from"),
        ('{"kinds": {"li\\u0000ke": {"delivery": "off"}}}', "kinds.li"),
        ("[]", "body"),
        ("{", "The request body isn't valid JSON."),
    ],
)
async def test_settings_that_make_no_sense_are_refused(ann: Reader, body: str, reason: str) -> None:
    before = await ann.done("GET", "/api/notifications/settings")

    response = await ann.call(
        "PATCH",
        "/api/notifications/settings",
        content=body,
        headers={"content-type": "application/json"},
    )

    error = response.json()
    assert (response.status_code, error["error_type"]) == (422, "InvalidRequest")
    assert error["error_message"].startswith(reason)
    assert await ann.done("GET", "/api/notifications/settings") == before


async def test_a_person_watches_others_and_stops(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_WATCHED", 2)
    boris, vera, gleb = [await person(database, name) for name in ("Boris", "Vera", "Gleb")]
    gone = await person(database, "Gone")
    async with database.transaction() as session:
        await fetch(session, "update person set hidden = true where id = $1", gone)

    for _ in range(2):
        await ann.done("POST", f"/api/users/{boris}/watch")
    await ann.done("POST", f"/api/users/{vera}/watch")
    refusals = [
        await ann.call("POST", f"/api/users/{other}/watch")
        for other in (ann.id, gone, 2**53 - 1, gleb)
    ]
    settings = await ann.done("GET", "/api/notifications/settings")
    is_watched = await ann.done("GET", f"/api/users/{boris}/watch")
    for other in (boris, boris, gone, ann.id, 2**53 - 1):
        await ann.done("DELETE", f"/api/users/{other}/watch")
    remaining = await ann.done("GET", "/api/notifications/settings")

    assert [(one.status_code, one.json()["error_type"]) for one in refusals] == [
        (409, "CannotWatchYourself"),
        (404, "UserNotFound"),
        (404, "UserNotFound"),
        (422, "TooManyWatched"),
    ]
    assert settings["watched"] == [{"id": vera, "name": "Vera"}, {"id": boris, "name": "Boris"}]
    assert is_watched == {"result": True, "watched": True}
    assert (await ann.done("GET", f"/api/users/{boris}/watch"))["watched"] is False
    assert remaining["watched"] == [{"id": vera, "name": "Vera"}]


async def test_pages_contain_each_group_once_while_new_ones_arrive(
    ann: Reader, database: Database
) -> None:
    for subject in range(10):
        await notify(database, ann.id, "mention", 1, subject=160_000 + subject, root=1)
    expected = await ann.listed()

    found: list[str] = []
    page = await ann.page("?limit=4")
    while True:
        found += [group["id"] for group in page["notifications"]]
        if page["next_cursor"] is None:
            break
        await notify(database, ann.id, "mention", 1, subject=170_000 + len(found), root=1)
        page = await ann.page(f"?limit=4&cursor={page['next_cursor']}")

    assert found == expected
    assert len(found) == 10


async def test_one_kind_is_listed_alone(ann: Reader, database: Database) -> None:
    for subject in range(3):
        await notify(database, ann.id, "like", 1, subject=172_000 + subject)
        await notify(database, ann.id, "mention", 1, subject=173_000 + subject, root=1)
    everything = await ann.page()

    first = await ann.page("?kind=mention&limit=2")
    second = await ann.page(f"?kind=mention&limit=2&cursor={first['next_cursor']}")

    listed = [group["id"] for group in first["notifications"] + second["notifications"]]
    assert listed == [f"mention:{173_000 + subject}:{TODAY}" for subject in (2, 1, 0)]
    # The badge and the marker are those of all kinds.
    assert (first["unread"], first["seen"]) == (everything["unread"], everything["seen"])
    await ann.set(mention={"delivery": "off"})
    assert (await ann.page("?kind=mention"))["notifications"] == []


@pytest.mark.parametrize(
    ("settings", "query"), [({"like": {"delivery": "off"}}, ""), ({}, "&kind=mention")]
)
async def test_a_page_looks_through_a_bounded_number_of_groups_that_it_leaves_out(
    ann: Reader, database: Database, settings: dict[str, dict[str, str]], query: str
) -> None:
    await notify(database, ann.id, "mention", 1, subject=175_001, root=1)
    likes = """
    insert into notification (
        family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active, shown,
        version, occurred_at, seq
    )
    select 'like', n, $1, 1, 'like', n, n, true, true, 1, now(), $2 + n
    from generate_series(1, $3::int) n
    """
    async with database.transaction() as session:
        await fetch(session, likes, ann.id, 1_000_000, queries.MAX_SCANNED)
    await ann.set(**settings)

    first = await ann.page(f"?limit=20{query}")
    second = await ann.page(f"?cursor={first['next_cursor']}{query}")

    assert first["notifications"] == []
    assert [group["kind"] for group in second["notifications"]] == ["mention"]
    assert second["next_cursor"] is None


async def test_ten_thousand_likes_are_one_row_of_which_few_rows_are_read(
    ann: Reader, database: Database
) -> None:
    like = """
    insert into notification (
        family, subject_id, recipient_id, actor_id, kind, group_subject_id, root_id, active, shown,
        version, occurred_at, seq
    )
    select 'like', 180001, $1, 1000000 + n, 'like', 180001, 180001, true, true, 1, $2, n
    from generate_series(1, 10000) n
    """
    async with database.transaction() as session:
        await fetch(session, like, ann.id, NOON)
    await ann.done(
        "PATCH", "/api/notifications/settings", json={"kinds": {"like": {"delivery": "badge"}}}
    )

    (group,) = (await ann.page())["notifications"]
    day = NOON.date()
    async with database.transaction() as session:
        newest = await queries.visible_groups(
            partial(fetch, session), [(ann.id, "like", 180_001, day)]
        )
    read = [
        await _rows_read(database, queries._PAGE, ann.id, 2**53, 20, None),
        await _rows_read(database, queries._VISIBLE_GROUPS, [ann.id], ["like"], [180_001], [day]),
    ]

    assert group["people_count"] == 10_000
    assert [one["id"] for one in group["people"]] == [1_010_000, 1_009_999, 1_009_998]
    assert await ann.unread() == 1
    assert list(newest.values()) == [group["seq"]]
    assert max(read) <= 10


async def _rows_read(database: Database, statement: str, *arguments: object) -> int:
    """How many rows of `notification` the statement reads."""
    async with database.transaction() as session:
        (row,) = await fetch(session, plans.EXPLAIN + statement, *arguments)
    return plans.rows_read(row[0], "notification")


@pytest.mark.parametrize(
    "bad",
    [
        "like",
        "like:1",
        "poke:1:2026-11-29",
        "like:1:2026-13-01",
        "like:1:2026-02-30",
        "like:1:20261129",
        "like:x:2026-11-29",
        "like:٣:2026-11-29",
        "like:99999999999999999999:2026-11-29",
        "like:1:2026-11-29:1",
        "like:1:2026-11-29' or '1'='1",
        "like:--1:2026-11-29",
        "like:1:0000-00-00",
        "x" * 200,
    ],
)
async def test_ids_that_are_no_groups_are_refused(ann: Reader, bad: str) -> None:
    response = await ann.call("POST", f"/api/notifications/{bad}/read")

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


@pytest.mark.parametrize(
    "missing", ["like:1:0001-01-01", "follow:0:9999-12-31", "like:-1:2026-11-29"]
)
async def test_a_group_of_nobody_or_somebody_else_is_not_found(
    ann: Reader, database: Database, missing: str
) -> None:
    await notify(database, ann.id + 1_000_000, "reply", 1, subject=190_002, about=190_001, root=1)

    for group in (missing, f"reply:190001:{TODAY}"):
        response = await ann.call("POST", f"/api/notifications/{group}/read")
        assert response.status_code == 404
        assert response.json()["error_type"] == "NotificationNotFound"


@pytest.mark.parametrize(
    "query",
    [
        "cursor=",
        "cursor=x",
        "cursor=%00",
        "cursor=AAAAAAAAAAAAAAAAAAAAAA",
        "cursor=__________8",
        "cursor=" + "A" * 201,
        "limit=0",
        "limit=101",
        "limit=x",
    ],
)
async def test_invalid_pages_are_refused(ann: Reader, query: str) -> None:
    response = await ann.call("GET", f"/api/notifications?{query}")

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"seq": -1}', '{"seq": "1"}', '{"seq": true}', '{"seq": 1e30}', "1"]
)
async def test_markers_that_are_no_numbers_are_refused(ann: Reader, body: str) -> None:
    response = await ann.call(
        "POST",
        "/api/notifications/seen",
        content=body,
        headers={"content-type": "application/json"},
    )

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")
    assert (await ann.done("GET", "/api/notifications/unread"))["seen"] == 0


@pytest.mark.parametrize("bad", ["0", "-1", "x", str(2**53), "1.5"])
async def test_invalid_ids_are_refused(ann: Reader, bad: str) -> None:
    for path in (f"tweets/{bad}/mute", f"tweets/{bad}/subscription", f"users/{bad}/watch"):
        for method in ("POST", "DELETE"):
            response = await ann.call(method, f"/api/{path}")
            assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


async def test_nobody_reads_without_an_identity(notifications: httpx.AsyncClient) -> None:
    for path in ("notifications", "notifications/unread", "notifications/settings"):
        response = await notifications.get(f"/api/{path}")
        assert (response.status_code, response.json()["error_type"]) == (401, "NotSignedIn")


async def test_a_call_waits_for_the_callers_own_tweet(
    ann: Reader, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_writes, "TIMEOUT_SECONDS", PATIENCE_SECONDS)
    tweet_id = await tweet(database, ann.id)
    async with database.transaction() as session:
        await fetch(session, "update tweet set author_id = null where id = $1", tweet_id)

    async def mute() -> httpx.Response:
        headers = {"warble-after": "tweets:777001"}
        return await ann.call("POST", f"/api/tweets/{tweet_id}/mute", headers=headers)

    async def arrive() -> None:
        async with database.transaction() as session:
            await fetch(session, "update tweet set author_id = $2 where id = $1", tweet_id, ann.id)
            await inbox.insert_new(session, [EventId("tweets", 777_001)])

    early = asyncio.create_task(mute())
    at_once = await ann.call("POST", f"/api/tweets/{tweet_id}/mute")
    was_waiting = not early.done()
    await arrive()
    malformed = await ann.call(
        "GET", f"/api/tweets/{tweet_id}/subscription", headers={"warble-after": "; drop"}
    )

    assert (at_once.status_code, was_waiting) == (404, True)
    assert (await early).status_code == 200
    assert (malformed.status_code, malformed.json()["error_type"]) == (422, "InvalidRequest")


async def test_the_archive_contains_what_a_person_has_decided(
    ann: Reader, database: Database
) -> None:
    boris = await person(database, "Boris")
    followed, muted = [await tweet(database, boris) for _ in range(2)]
    await ann.set(like={"delivery": "off"})
    await ann.done("POST", f"/api/tweets/{followed}/subscription")
    await ann.done("POST", f"/api/tweets/{muted}/mute", json={"mentions": True})
    await ann.done("POST", f"/api/users/{boris}/watch")
    await notify(database, ann.id, "mention", boris, subject=200_001, root=1)

    exported = await ann.call("GET", "/internal/export/notifications")

    (row,) = exported.json()
    settings = await ann.done("GET", "/api/notifications/settings")
    assert row == {name: settings[name] for name in ("kinds", "threads", "watched")}
    assert row["kinds"][Kind.like]["delivery"] == "off"
    assert [(one["state"], one["mentions"]) for one in row["threads"]] == [
        ("muted", True),
        ("followed", False),
    ]
    assert row["watched"] == [{"id": boris, "name": "Boris"}]
