"""No data of an erased person is left in the running system, whatever happens concurrently."""

import asyncio
import json
import secrets
from dataclasses import replace

import aio_pika
import pytest

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from chassis.messaging import message_format
from chassis.messaging.events import EventId
from chassis.messaging.message_format import TransportedEvent
from devstack.instance import Instance
from devstack.repository import SERVICES

from .company import Company, Person, mention, png, until, until_accepted
from .erased_data import ErasedData, remains, until_nowhere
from .operations import ADMINISTRATORS
from .test_access import NOBODY, forgeries, outcome


def word() -> str:
    return f"w{secrets.token_hex(6)}"


async def with_a_life(company: Company, friend: Person) -> ErasedData:
    """Registers a person who then uses every feature, so that data is in every table."""
    words = [word() for _ in range(3)]
    ann = await company.hire(f"Ann {words[0]}")
    await company.administrator.done("POST", f"/api/users/{ann.id}/invitation")
    media_ids = [await ann.upload(alt=f"A {words[1]}"), await ann.upload()]
    await ann.upload()
    tweet_id = await ann.post(f"Look: {words[2]}", media_ids)
    liked = await friend.post("liked by Ann")
    for one in (tweet_id, liked):
        for person in (ann, friend):
            await person.done("POST", f"/api/tweets/{one}/likes")
    await ann.follow(friend)
    await friend.follow(ann)
    report = {"user_id": friend.id, "reason": "other", "note": words[0]}
    await until_accepted(ann, "POST", "/api/reports", json=report)
    report = {"tweet_id": tweet_id, "reason": "other", "note": f"She wrote {words[2]}"}
    await friend.done("POST", "/api/reports", json=report)
    await ann.done("PUT", f"/api/tweets/{tweet_id}/pin")
    (tweet,) = [
        tweet
        for tweet in await until(
            friend, lambda feed: len(feed) == 2 and {t["like_count"] for t in feed} == {2}
        )
        if tweet["id"] == tweet_id
    ]
    pictures = [media[kind] for media in tweet["media"] for kind in ("url", "thumbnail")]
    pictures += (await ann.show_picture(png())).values()
    await until(friend, lambda feed: any("picture" in tweet["author"] for tweet in feed))
    return ErasedData(ann, words, pictures)


async def erase(company: Company, left: ErasedData) -> None:
    draft = {"user_id": left.person.id, "name": left.person.name}
    await company.administrator.done("POST", "/api/erasures", json=draft)


async def test_an_erased_person_is_nowhere_and_the_counts_are_right(company: Company) -> None:
    friend = await company.hire("Friend")
    left = await with_a_life(company, friend)
    assert await remains(company, left) != []

    await erase(company, left)
    await until_nowhere(company, left)

    (tweet,) = await friend.feed()
    assert (tweet["content"], tweet["like_count"]) == ("liked by Ann", 1)
    assert [like["user_id"] for like in tweet["likes"]] == [friend.id]
    profile = (await friend.done("GET", "/api/users/me"))["user"]
    assert (profile["follower_count"], profile["following_count"]) == (0, 0)
    path = f"/api/erasures/{left.person.id}"
    progress = await company.administrator.done("GET", path)
    assert progress["parts"].keys() == set(SERVICES)
    assert {part["state"] for part in progress["parts"].values()} == {"settling"}
    assert not progress["finished"]


@pytest.mark.exclusive
async def test_dead_letters_of_an_erased_person_go_and_those_of_others_stay(
    company: Company, stack: Instance
) -> None:
    friend = await company.hire("Friend")
    left = await with_a_life(company, friend)
    connection = await aio_pika.connect(stack.broker_url)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("feed.tweet.posted.v1.dead")
        events = []
        for number, author_id in ((1, left.person.id), (2, friend.id)):
            body = {"author_id": author_id, "tweet_id": 1, "content": left.words[0]}
            event_id = str(EventId("tweets", 900_000_000_000 + number))
            if author_id == friend.id:
                body["content"] = "somebody else's"
            events.append(TransportedEvent(event_id, "x", json.dumps(body).encode(), 0))
        for together in ([events[0]], [events[1]], events):
            await channel.default_exchange.publish(message_format.encode(together), queue.name)

        await erase(company, left)
        await until_nowhere(company, left)

        bodies = []
        while (message := await queue.get(fail=False)) is not None:
            bodies.append(message.body)
            await message.ack()
    assert [json.loads(body)["author_id"] for body in bodies] == [friend.id, friend.id]


@pytest.mark.exclusive
async def test_workers_that_are_killed_meanwhile_leave_nothing(
    company: Company, stack: Instance
) -> None:
    friend = await company.hire("Friend")
    left = await with_a_life(company, friend)
    for _ in range(100):
        await left.person.post(f"{left.words[2]} {secrets.token_hex(2)}")

    await erase(company, left)
    for service in reversed(SERVICES):
        await asyncio.to_thread(stack.kill, f"{service}-worker")

    await until_nowhere(company, left)


async def test_a_deactivated_person_is_shown_to_nobody(company: Company) -> None:
    friend = await company.hire("Friend")
    left = await with_a_life(company, friend)
    path = f"/api/users/{left.person.id}"

    await company.administrator.done("DELETE", path)

    await until(friend, lambda feed: [tweet["content"] for tweet in feed] == ["liked by Ann"])
    everyone = await friend.feed("?scope=everyone&order=recent&limit=50")
    assert left.person.id not in {tweet["author"]["id"] for tweet in everyone}
    assert (await friend.ask("GET", path)).status_code == 404
    assert (await friend.done("GET", f"{path}/tweets"))["tweets"] == []


async def test_a_person_who_comes_back_is_shown_as_before(company: Company) -> None:
    friend = await company.hire("Friend")
    left = await with_a_life(company, friend)
    path = f"/api/users/{left.person.id}"
    await mention(friend, "hello", left.person)
    feed = await until(friend, lambda feed: len(feed) == 3)
    await company.administrator.done("DELETE", path)
    await until(friend, lambda feed: len(feed) == 2 and not any(t["entities"] for t in feed))
    profile = await friend.ask("GET", path)

    await company.administrator.done("POST", f"{path}/reactivation")

    assert await until(friend, lambda tweets: tweets == feed) == feed
    shown = (await friend.done("GET", path))["user"]
    assert profile.status_code == 404
    assert [person["id"] for person in shown["followers"]] == [friend.id]
    assert (await left.person.ask("GET", "/api/users/me")).status_code == 401
    key = (await company.administrator.done("POST", f"{path}/key"))["api_key"]
    assert len(await replace(left.person, key=key).feed()) == 3


@pytest.mark.parametrize("service", SERVICES)
async def test_how_far_an_erasure_is_each_service_tells_administrators_alone(
    company: Company, stack: Instance, service: str
) -> None:
    path = f"{stack.url(f'{service}-api-1')}/internal/erasures/1"
    private_key = stack.secrets["identity"]
    ann = await company.hire("Ann")

    async def outcome_of(headers: dict[str, str]) -> str:
        return outcome(await company.http.get(path, headers=headers))

    forged = [await outcome_of(one) for one in forgeries(private_key, service, ann.id).values()]
    signer = Signer(private_key)
    person = await outcome_of(
        {IDENTITY_HEADER: signer.sign(Identity(ann.id, KeyScope.account), service)}
    )
    administrator = await outcome_of(
        {IDENTITY_HEADER: signer.sign(Identity(ann.id, KeyScope.admin), service)}
    )

    assert set(forged) == {NOBODY}
    assert person == ADMINISTRATORS
    assert administrator == "200"
