"""The list of notifications: groups, the badge, the marker, pages."""

import asyncio
from datetime import timedelta
from functools import partial

import httpx
import pytest

from chassis.database.session import Database, fetch
from services.notifications import queries
from tests import plans

from .reader import Reader
from .rows import NOON, notices, notify, people, person, tweet

TODAY = NOON.date().isoformat()
YESTERDAY = (NOON.date() - timedelta(days=1)).isoformat()


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
