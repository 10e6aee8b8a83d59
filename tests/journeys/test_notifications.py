"""What one person does reaches another one through the gateway, events and all."""

from typing import Any

from tests.waiting import eventually

from .company import Company, Person, mention, until_accepted


async def groups(person: Person) -> dict[str, dict[str, Any]]:
    """The person's notifications by their kind."""
    listed = (await person.done("GET", "/api/notifications"))["notifications"]
    return {group["kind"]: group for group in listed}


async def unread(person: Person) -> int:
    count: int = (await person.done("GET", "/api/notifications/unread"))["count"]
    return count


async def test_what_concerns_a_person_reaches_the_person(company: Company) -> None:
    ann, boris = await company.hire("Anna Kim"), await company.hire("Boris Gray")
    own = await ann.post("The new office is open")
    await boris.follow(ann)
    await boris.done("POST", f"/api/tweets/{own}/likes")
    reply = {"tweet_data": "Congratulations!", "reply_to": own}
    replied = (await boris.done("POST", "/api/tweets", json=reply))["tweet_id"]
    mentioned = await mention(boris, "where are you?", ann)

    async def everything() -> dict[str, dict[str, Any]] | None:
        found = await groups(ann)
        return found if found.keys() >= {"follow", "like", "reply", "mention"} else None

    found = await eventually(everything)
    badge = await unread(ann)
    texts = await ann.done("GET", f"/api/tweets?ids={replied},{mentioned}")
    await ann.done("POST", f"/api/notifications/{found['reply']['id']}/read")
    after_reading = await unread(ann)
    newest = max(group["seq"] for group in found.values())
    seen = await ann.done("POST", "/api/notifications/seen", json={"seq": newest})

    for group in found.values():
        assert group["people"] == [{"id": boris.id, "name": "Boris Gray"}]
        assert group["people_count"] == 1
    opened = {kind: (group["tweet_id"], group["thread_id"]) for kind, group in found.items()}
    assert opened == {
        "follow": (None, None),
        "like": (own, own),
        "reply": (replied, own),
        "mention": (mentioned, mentioned),
    }
    assert [tweet["id"] for tweet in texts["tweets"]] == [replied, mentioned]
    assert (badge, after_reading, seen["count"]) == (2, 1, 0)
    assert await unread(boris) == 0


async def test_an_undone_act_leaves_no_notification(company: Company) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    own = await ann.post("…")
    await boris.done("POST", f"/api/tweets/{own}/likes")

    async def is_liked() -> bool:
        return "like" in await groups(ann)

    await eventually(is_liked)
    await boris.done("DELETE", f"/api/tweets/{own}/likes")

    async def is_not_liked() -> bool:
        return not await is_liked()

    await eventually(is_not_liked)


async def test_a_person_mutes_the_thread_of_a_tweet_that_they_have_just_posted(
    company: Company,
) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    muted, other = await ann.post("one"), await ann.post("two")
    # The call waits for the tweet by itself; on a very busy machine it may take longer.
    await until_accepted(ann, "POST", f"/api/tweets/{muted}/mute")
    for tweet in (muted, other):
        await boris.done("POST", "/api/tweets", json={"tweet_data": "!", "reply_to": tweet})

    async def has_arrived() -> bool:
        return "reply" in await groups(ann)

    await eventually(has_arrived)
    listed = (await ann.done("GET", "/api/notifications"))["notifications"]
    await ann.done("DELETE", f"/api/tweets/{muted}/mute")
    unmuted = (await ann.done("GET", "/api/notifications"))["notifications"]

    assert [group["thread_id"] for group in listed] == [other]
    assert sorted(group["thread_id"] for group in unmuted) == [muted, other]


async def test_people_hear_of_threads_that_they_follow_and_people_whom_they_watch(
    company: Company,
) -> None:
    ann, boris, zoe = [await company.hire(name) for name in ("Ann", "Boris", "Zoe")]
    root = await ann.post("…")
    await until_accepted(zoe, "POST", f"/api/tweets/{root}/subscription")
    await until_accepted(zoe, "POST", f"/api/users/{boris.id}/watch")
    reply = {"tweet_data": "…", "reply_to": root}
    replied = (await ann.done("POST", "/api/tweets", json=reply))["tweet_id"]
    posted = await boris.post("…")

    async def notified() -> dict[str, dict[str, Any]] | None:
        found = await groups(zoe)
        return found if found.keys() == {"thread", "watch"} else None

    found = await eventually(notified)
    badge = await unread(zoe)
    await company.administrator.done("DELETE", f"/api/users/{boris.id}")

    async def has_left() -> bool:
        return (await groups(zoe)).keys() == {"thread"}

    await eventually(has_left)
    assert (found["thread"]["tweet_id"], found["thread"]["thread_id"]) == (replied, root)
    assert (found["watch"]["tweet_id"], found["watch"]["people"][0]["id"]) == (posted, boris.id)
    assert badge == 1
    assert await unread(zoe) == 0
    settings = await zoe.done("GET", "/api/notifications/settings")
    assert settings["watched"] == []


async def test_people_hear_of_keys_that_somebody_else_may_have_made(company: Company) -> None:
    ann = await company.hire("Ann")
    key = await ann.done("POST", f"/api/users/{ann.id}/keys", json={"scope": "read"})

    async def notified() -> dict[str, Any] | None:
        return (await groups(ann)).get("security")

    group = await eventually(notified)

    assert (group["credential"], group["people"]) == ("key", [])
    assert group["id"].startswith(f"security:{key['key_id']}:")
    assert await unread(ann) == 1
