"""The export contains all data of a person, and no other data."""

import io
import json
import zipfile
from typing import Any

import pytest

from chassis.auth.identity import IDENTITY_HEADER, Identity, KeyScope, Signer
from devstack.instance import Instance
from gateway.export import LISTS

from .company import Company, Person, png, until_accepted
from .test_access import NOBODY, forgeries, outcome

ALWAYS_ONE = ("profile", "followers", "keys", "notifications")
"""The lists that have one row for a person who has a key and a follower."""


async def archive_of(person: Person) -> dict[str, Any]:
    """The files of the person's export by name: parsed JSON, and the bytes of pictures."""
    response = await person.ask("GET", "/api/export")
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return {
            name: json.loads(archive.read(name)) if name.endswith(".json") else archive.read(name)
            for name in archive.namelist()
        }


async def test_an_archive_holds_what_is_ones_own_and_nothing_of_others(company: Company) -> None:
    ann, boris = await company.hire("Анна Ким"), await company.hire("Boris Gray")
    texts = {"about": "Coffee", "title": "Engineer", "department": "Bridges"}
    await ann.done("PATCH", f"/api/users/{ann.id}", json=texts)
    await ann.follow(boris)
    await boris.follow(ann)
    media_ids = [
        await ann.upload(png(), alt='A "door",\nwith [brackets]'),
        await ann.upload(png(400, 300)),
    ]
    tweet_id = await ann.post("Готово: открыто! 🎉", media_ids)
    gone = await ann.post("deleted")
    await ann.done("DELETE", f"/api/tweets/{gone}")
    of_boris = await boris.post("Boris's own", [await boris.upload()])
    for one in (tweet_id, of_boris):
        await ann.done("POST", f"/api/tweets/{one}/likes")
    await until_accepted(ann, "POST", f"/api/tweets/{tweet_id}/mute")
    shown = next(tweet for tweet in await ann.feed() if tweet["id"] == tweet_id)
    await ann.show_picture(png())
    await boris.show_picture(png())

    archive = await archive_of(ann)

    assert {name.partition("/")[0] for name in archive} == {
        *("profile.json", "following.json", "followers.json"),
        *("keys.json", "sessions.json", "invitations.json", "identities.json"),
        *("tweets.json", "likes.json", "tags.json", "reports.json", "notifications.json"),
        *("acknowledgements.json", "pins.json"),
        *("pictures.json", "portrait.json", "pictures"),
    }
    (profile,) = archive["profile.json"]
    assert (profile["id"], profile["name"]) == (ann.id, "Анна Ким")
    assert {field: profile[field] for field in texts} == texts
    assert archive["following.json"] == archive["followers.json"]
    assert archive["following.json"] == [{"id": boris.id, "name": "Boris Gray"}]
    (tweet,) = archive["tweets.json"]
    assert (tweet["id"], tweet["content"]) == (tweet_id, "Готово: открыто! 🎉")
    assert sorted(tweet["attachments"]) == sorted(shown["attachments"])
    assert archive["likes.json"] == [{"tweet_id": tweet_id}, {"tweet_id": of_boris}]
    (notifications,) = archive["notifications.json"]
    assert [thread["thread_id"] for thread in notifications["threads"]] == [tweet_id]
    alts = [picture["alt"] for picture in archive["pictures.json"]]
    assert alts == ['A "door",\nwith [brackets]', ""]
    assert len(archive["portrait.json"]) == 1
    for picture in archive["pictures.json"] + archive["portrait.json"]:
        served = await company.http.get(f"/uploads/{picture['file']}")
        assert archive[f"pictures/{picture['file']}"] == served.content
    assert ann.key not in str(archive)


async def test_an_archive_is_for_whoever_signed_in_also_by_a_session(company: Company) -> None:
    ann = await company.hire("Ann")
    ours = {"origin": company.instance.gateway_url}
    signed_in = await company.http.post("/api/session", json={"api_key": ann.key}, headers=ours)
    cookie = signed_in.headers["set-cookie"].partition(";")[0]

    by_session = await company.http.get("/api/export", headers={"cookie": cookie})
    by_nobody = await company.http.get("/api/export", headers={"cookie": "warble_session=x"})

    assert by_session.headers["content-disposition"].endswith(f'"warble-{ann.id}.zip"')
    assert outcome(by_nobody) == NOBODY


@pytest.mark.parametrize("service", LISTS)
async def test_each_service_gives_its_lists_to_the_person_alone(
    company: Company, stack: Instance, service: str
) -> None:
    ann, boris = await company.hire("Ann"), await company.hire("Boris")
    await ann.follow(boris)
    await ann.done("POST", f"/api/tweets/{await ann.post('mine', [await ann.upload()])}/likes")
    private_key = stack.secrets["identity"]
    url = f"{stack.url(f'{service}-api-1')}/internal/export"

    for name in LISTS[service]:
        forged = [
            outcome(await company.http.get(f"{url}/{name}", headers=headers))
            for headers in forgeries(private_key, service, ann.id).values()
        ]
        assert set(forged) == {NOBODY}
        token = Signer(private_key).sign(Identity(boris.id, KeyScope.account), service)
        lists = await company.http.get(f"{url}/{name}", headers={IDENTITY_HEADER: token})
        assert "Ann" not in lists.text or name == "followers"
        assert len(lists.json()) == (1 if name in ALWAYS_ONE else 0)
    token = Signer(private_key).sign(Identity(boris.id, KeyScope.account), service)
    unknown = await company.http.get(f"{url}/secrets", headers={IDENTITY_HEADER: token})
    assert outcome(unknown) == "404 NotFound"
