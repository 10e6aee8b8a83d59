"""People, their keys and their follows, as the gateway sees the service."""

import asyncio
import hashlib
from typing import Any

import httpx
import pytest

from chassis import testing
from services.users import api_process

from .conftest import People


def signed(user_id: int) -> dict[str, str]:
    return testing.identity_headers("users", user_id)


async def owner_of(users: httpx.AsyncClient, key: str) -> httpx.Response:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return await users.get(f"/internal/keys/{digest}", headers=signed(0))


async def test_following_shows_on_both_profiles_once(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")

    first = await users.post(f"/api/users/{boris}/follow", headers=signed(ann))
    second = await users.post(f"/api/users/{boris}/follow", headers=signed(ann))

    assert first.json() == second.json() == {"result": True}
    assert first.headers["warble-events"] == second.headers["warble-events"]
    assert (await people.profile(ann))["following"] == [{"id": boris, "name": "Boris"}]
    seen = await people.profile(boris)
    assert (seen["followers"], seen["follower_count"]) == ([{"id": ann, "name": "Ann"}], 1)


async def test_unfollowing_is_idempotent_and_ends_the_follow(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    await users.post(f"/api/users/{boris}/follow", headers=signed(ann))

    for _ in range(2):
        response = await users.delete(f"/api/users/{boris}/follow", headers=signed(ann))
        assert response.json() == {"result": True}

    seen = await people.profile(boris)
    assert (seen["followers"], seen["follower_count"]) == ([], 0)


async def test_two_who_follow_each_other_at_once_both_succeed(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")

    responses = await asyncio.gather(
        *(
            users.request(method, f"/api/users/{followed}/follow", headers=signed(follower))
            for method in ("POST", "DELETE", "POST")
            for follower, followed in ((ann, boris), (boris, ann))
            for _ in range(3)
        )
    )

    assert {response.status_code for response in responses} == {200}
    for user_id in (ann, boris):
        seen = await people.profile(user_id)
        assert seen["follower_count"] == len(seen["followers"])


async def test_many_who_follow_and_unfollow_one_person_at_once_are_all_counted(
    users: httpx.AsyncClient, people: People
) -> None:
    star, *fans = [await people.register(f"Fan {number}") for number in range(9)]

    responses = await asyncio.gather(
        *(
            users.request(method, f"/api/users/{star}/follow", headers=signed(fan))
            for method in ("POST", "DELETE", "POST", "POST")
            for fan in fans
        )
    )

    assert {response.status_code for response in responses} == {200}
    seen = await people.profile(star)
    assert seen["follower_count"] == len(seen["followers"])
    for fan in fans:
        assert (await people.profile(fan))["following_count"] == int(
            fan in [follower["id"] for follower in seen["followers"]]
        )


async def test_unfollowing_oneself_changes_nothing(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    response = await users.delete(f"/api/users/{ann}/follow", headers=signed(ann))

    assert response.status_code == 200
    assert "warble-events" not in response.headers


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_following_an_unknown_person_is_not_found(
    users: httpx.AsyncClient, people: People, method: str
) -> None:
    ann = await people.register("Ann")

    response = await users.request(method, "/api/users/900000/follow", headers=signed(ann))

    assert (response.status_code, response.json()["error_type"]) == (404, "UserNotFound")


async def test_nobody_follows_themselves(users: httpx.AsyncClient, people: People) -> None:
    ann = await people.register("Ann")

    response = await users.post(f"/api/users/{ann}/follow", headers=signed(ann))

    assert (response.status_code, response.json()["error_type"]) == (409, "CannotFollowYourself")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("followed", ["other", "unknown", "oneself"])
async def test_a_follow_is_answered_alike_by_the_direct_route_and_by_the_framework(
    users: httpx.AsyncClient, people: People, method: str, followed: str
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")
    followed_id = {"other": boris, "unknown": 900_000, "oneself": ann}[followed]
    headers = signed(ann) | {"x-request-id": "the-request"}

    # The query leaves the request to the framework. The second request changes nothing.
    responses = [
        await users.request(method, f"/api/users/{followed_id}/follow{query}", headers=headers)
        for query in ("", "?unknown=1")
    ]

    direct, by_framework = ((each.status_code, each.text, each.headers) for each in responses)
    assert direct == by_framework


@pytest.mark.parametrize("id", ["0", "-1", "abc", "99999999999999999999", "1.5", "%00"])
async def test_an_id_out_of_range_is_refused(users: httpx.AsyncClient, id: str) -> None:
    response = await users.get(f"/api/users/{id}", headers=signed(1))

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Ёлкин Артём", "елкин"),
        ("Ёлкин Артём", "АРТЕМ"),
        ("José García", "garcia"),
        ("Екатерина Смирнова", "смернова"),
        ("Wolfgang Schmidt", "wolfgnag"),
        ("100%_sure\\", "100%_sure\\"),
        ("Søren Kierkegaard", "soren"),
        ("Łukasz Nowak", "luk"),
        ("Þór Jónsson", "thor"),
        ("Ælfred Smith", "aelf"),
        ("Đặng Văn Hùng", "dan"),
        ("Søren Kierkegaard", "SØREN"),
        ("Ким Юлия", "ким"),
        ("Conan O'Brien", "obr"),
        ("Conan O’Brien", "obr"),
        ("Conan O´Brien", "O'Br"),
        ("𝒜𝓃𝓃 Fancy", "ann f"),
        ("علی\u200cرضا", "علیرضا"),
        ("Анна Ким", "anna"),
        ("Щукина Юлия", "shchukina"),
        ("Boris Gray", "борис"),
        ("Boris Gray", "Грэй Борис"),
        ("王芳", "wang"),
        ("Анна Ким", "fyyf"),
        ("Женя Волков", ";tyz"),
        ("Norbert Quill", "Йгшдд"),
    ],
)
async def test_a_person_is_found_whatever_the_case_the_marks_and_a_typo(
    users: httpx.AsyncClient, people: People, name: str, query: str
) -> None:
    user_id = await people.register(name)

    response = await users.get("/api/users", params={"query": query}, headers=signed(1))

    assert user_id in [user["id"] for user in response.json()["users"]]


@pytest.mark.parametrize("query", ["\u0301", "´", "¨", "`", "'", "\u200b"])
async def test_a_search_for_a_lone_accent_finds_nobody(
    users: httpx.AsyncClient, people: People, query: str
) -> None:
    await people.register("José O'Brien")

    response = await users.get("/api/users", params={"query": query}, headers=signed(1))

    assert response.json()["users"] == []


@pytest.mark.parametrize("query", ["%00", "a%00b", "x" * 101])
async def test_an_invalid_search_is_refused(users: httpx.AsyncClient, query: str) -> None:
    response = await users.get(f"/api/users?query={query}", headers=signed(1))

    assert (response.status_code, response.json()["error_type"]) == (422, "InvalidRequest")


@pytest.mark.parametrize(
    "parameters",
    [
        "query=ann&limit=1",
        "limit=010&query=ann",
        "query=ann&query=boris",
        "query=ann&limit=1&limit=2",
        "query=&limit=1",
        "query=%20",
        "query=%00",
        "query=%FF",
        "query=a;limit=1",
        "query=" + "x" * 101,
        "query=ann&limit=0",
        "query=ann&limit=101",
        "query=ann&limit=one",
    ],
)
async def test_a_search_is_answered_alike_before_the_framework_and_by_it(
    users: httpx.AsyncClient, people: People, parameters: str
) -> None:
    reader = await people.register("Ann Kim")
    await people.register("Anna Gray")
    await people.register("Boris Gray")

    # An unknown parameter leaves the search to the framework.
    answers = [
        await users.get(f"/api/users?{parameters}{more}", headers=signed(reader))
        for more in ("", "&unknown=1")
    ]

    assert len({answer.status_code for answer in answers}) == 1
    assert len({answer.text for answer in answers}) == 1


async def test_the_other_keyboard_layout_finds_names_without_typos_only(
    users: httpx.AsyncClient, people: People
) -> None:
    await people.register("Екатерина Длинная")

    response = await users.get("/api/users", params={"query": "z" * 100}, headers=signed(1))

    assert response.json()["users"] == []


async def test_names_that_start_with_the_query_come_first_in_either_alphabet(
    users: httpx.AsyncClient, people: People
) -> None:
    inside = await people.register("Zhanna Zimina")
    cyrillic = await people.register("Жанна Зимина")
    starting = await people.register("Анна Зимина")

    response = await users.get("/api/users", params={"query": "anna zimina"}, headers=signed(1))

    found = [user["id"] for user in response.json()["users"]]
    assert found[0] == starting
    assert {inside, cyrillic} <= set(found)


async def test_a_search_pages_through_everyone_once(
    users: httpx.AsyncClient, people: People
) -> None:
    namesakes = {await people.register(f"Namesake {number}") for number in range(7)}
    found: list[int] = []
    params = {"query": "namesake", "limit": "3"}

    while params.get("cursor") != "":
        page = (await users.get("/api/users", params=params, headers=signed(1))).json()
        found += [user["id"] for user in page["users"]]
        params["cursor"] = page["next_cursor"] or ""

    assert len(found) == len(namesakes)
    assert set(found) == namesakes


async def test_followers_page_through_all_while_the_profile_lists_a_hundred(
    users: httpx.AsyncClient, people: People
) -> None:
    star = await people.register("Star")
    fans = [await people.register(f"Fan {number}") for number in range(102)]
    for fan in fans:
        await users.post(f"/api/users/{star}/follow", headers=signed(fan))

    profile = await people.profile(star)
    paged: list[int] = []
    cursor = ""
    while cursor is not None:
        page = (
            await users.get(f"/api/users/{star}/followers?limit=50{cursor}", headers=signed(star))
        ).json()
        paged += [user["id"] for user in page["users"]]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"

    assert profile["follower_count"] == 102
    assert len(profile["followers"]) == 100
    assert paged == fans[::-1]


async def test_only_administrators_register_people(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    calls = [
        ("POST", "/api/users"),
        ("DELETE", f"/api/users/{ann}"),
        ("POST", f"/api/users/{ann}/key"),
        ("DELETE", f"/api/users/{ann}/key"),
    ]
    for method, path in calls:
        response = await users.request(method, path, json={"name": "x"}, headers=signed(ann))

        assert (response.status_code, response.json()["error_type"]) == (403, "NotAnAdministrator")


@pytest.mark.parametrize("name", ["", "  ", "\u200b", "a\0b", "x" * 101, "a\u202e"])
async def test_a_name_that_cannot_be_shown_is_refused(
    users: httpx.AsyncClient, people: People, name: str
) -> None:
    response = await users.post("/api/users", json={"name": name}, headers=people.administrator)

    assert (response.status_code, response.json()["error_type"]) == (422, "NameNotAccepted")
    assert response.json()["error_details"] == {"limit": 100}


async def test_a_key_works_until_it_is_rotated_or_revoked(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post("/api/users", json={"name": "Ann"}, headers=people.administrator)
    ann, first = created.json()["user_id"], created.json()["api_key"]
    rotated = await users.post(f"/api/users/{ann}/key", headers=people.administrator)
    second = rotated.json()["api_key"]

    assert (await owner_of(users, first)).status_code == 404
    owner = (await owner_of(users, second)).json()
    assert (owner["user_id"], owner["scope"]) == (ann, "account")

    await users.delete(f"/api/users/{ann}/key", headers=people.administrator)

    assert (await owner_of(users, second)).status_code == 404


async def test_a_deactivated_person_loses_the_access_and_is_hidden(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post(
        "/api/users", json={"name": "Leaver Unusual"}, headers=people.administrator
    )
    leaver, key = created.json()["user_id"], created.json()["api_key"]
    ann = await people.register("Ann")
    for follower, followed in ((ann, leaver), (leaver, ann)):
        await users.post(f"/api/users/{followed}/follow", headers=signed(follower))

    for _ in range(2):
        response = await users.delete(f"/api/users/{leaver}", headers=people.administrator)
        assert response.status_code == 200

    found = await users.get("/api/users?query=unusual", headers=signed(1))
    followed = await users.post(f"/api/users/{leaver}/follow", headers=people.administrator)
    # An identity that was signed before the deactivation is valid for up to a minute.
    following = await users.post("/api/users/1/follow", headers=signed(leaver))
    assert (await owner_of(users, key)).status_code == 404
    assert found.json()["users"] == []
    assert followed.status_code == 404
    assert (following.status_code, following.json()["error_type"]) == (401, "NotSignedIn")
    for path in ("", "/followers", "/following"):
        response = await users.get(f"/api/users/{leaver}{path}", headers=signed(ann))
        assert (response.status_code, response.json()["error_type"]) == (404, "UserNotFound"), path
    profile = await people.profile(ann)
    assert profile["followers"] == profile["following"] == []
    for path in ("followers", "following"):
        listed = await users.get(f"/api/users/{ann}/{path}", headers=signed(ann))
        assert listed.json()["users"] == [], path


@pytest.mark.parametrize("way", ["deactivated", "erased", "gone"])
async def test_a_deactivated_or_missing_caller_gets_401_and_not_404(
    users: httpx.AsyncClient, people: People, way: str
) -> None:
    """A signed identity may be valid longer than the access: after a deactivation or a restore."""
    ann = 800_000 if way == "gone" else await people.register("Ann")
    boris = await people.register("Boris")
    if way == "deactivated":
        await users.delete(f"/api/users/{ann}", headers=people.administrator)
    elif way == "erased":
        draft = {"user_id": ann, "name": "Ann"}
        await users.post("/api/erasures", json=draft, headers=people.administrator)
    own, other = f"/api/users/{ann}", f"/api/users/{boris}"

    for method, path, body in (
        *(("GET", path, None) for path in ("/api/users/me", own)),
        *(
            ("GET", f"{own}{path}", None)
            for path in ("/followers", "/following", "/keys", "/sessions")
        ),
        ("PATCH", own, {"name": "Anna"}),
        *(("POST", f"{own}{path}", {}) for path in ("/keys", "/keys/1/replacement")),
        *(("DELETE", f"{own}{path}/1", None) for path in ("/keys", "/sessions")),
        *((method, f"{other}/follow", None) for method in ("POST", "DELETE")),
        ("POST", "/api/erasures", {"user_id": ann, "name": "Ann"}),
    ):
        response = await users.request(method, path, json=body, headers=signed(ann))
        refusal = (response.status_code, response.json().get("error_type"))
        assert refusal == (401, "NotSignedIn"), f"{method} {path}"
    for method, path in (("POST", "/key"), ("DELETE", "/key"), ("PUT", "/administrator")):
        headers = testing.identity_headers("users", ann, administrator=True)
        response = await users.request(method, f"{own}{path}", headers=headers)
        assert response.status_code == 401, f"{method} {path}"


async def test_an_unchanged_name_records_no_event_and_the_response_names_the_earlier_one(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    async def rename(name: str) -> str:
        path, draft = f"/api/users/{ann}", {"name": name}
        response = await users.patch(path, json=draft, headers=signed(ann))
        assert response.status_code == 200
        return response.headers["warble-events"]

    registered = await rename("Ann")
    renamed = await rename("Anna")
    # Names are compared in their stored form, without surrounding spaces.
    assert await rename("  Anna ") == renamed
    assert await rename("Anna B.") != renamed
    assert registered != renamed


async def test_people_rename_themselves_and_nobody_else(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris = await people.register("Ann"), await people.register("Boris")

    own = await users.patch(f"/api/users/{ann}", json={"name": "Anna"}, headers=signed(ann))
    other = await users.patch(f"/api/users/{ann}", json={"name": "X"}, headers=signed(boris))

    assert own.json() == {"result": True}
    assert (other.status_code, other.json()["error_type"]) == (403, "NotYourName")
    assert (await people.profile(ann))["name"] == "Anna"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"warble-identity": "1"},
        {"warble-identity": "e30.e30.e30"},
        testing.identity_headers("tweets", 1, administrator=True),
    ],
    ids=["none", "made up", "unsigned", "for another service"],
)
async def test_a_request_without_a_valid_identity_is_refused(
    users: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    response = await users.get("/api/users/me", headers=headers)

    assert (response.status_code, response.json()["error_type"]) == (401, "NotSignedIn")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"name": 5}', b'{"name":"\\ud800"}'])
async def test_a_malformed_body_is_refused(
    users: httpx.AsyncClient, people: People, body: bytes
) -> None:
    response = await users.post("/api/users", content=body, headers=people.administrator)

    assert (response.status_code, response.json()["result"]) == (422, False)


async def test_every_list_says_whom_the_reader_follows(
    users: httpx.AsyncClient, people: People
) -> None:
    ann, boris, zoe = [await people.register(f"{name} Quux") for name in ("Ann", "Boris", "Zoe")]
    for follower, followed in ((ann, boris), (zoe, boris), (zoe, ann), (boris, ann)):
        await users.post(f"/api/users/{followed}/follow", headers=signed(follower))

    for path, expected in {
        "?query=quux": {ann: False, boris: True, zoe: False},
        "": {ann: False, boris: True, zoe: False},
        f"/{boris}/followers": {ann: False, zoe: False},
        f"/{zoe}/following": {ann: False, boris: True},
    }.items():
        listed = (await users.get(f"/api/users{path}", headers=signed(ann))).json()["users"]
        assert {
            user["id"]: user["followed"] for user in listed if user["id"] in expected
        } == expected, path
    for user_id, followed in ((boris, True), (zoe, False)):
        profile = await users.get(f"/api/users/{user_id}", headers=signed(ann))
        assert profile.json()["user"]["followed"] is followed


async def test_a_person_learns_what_their_key_allows(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")

    async def me(headers: dict[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = (await users.get("/api/users/me", headers=headers)).json()
        return body

    own = await me(signed(ann))

    assert own["user"] == await people.profile(ann)
    assert {name: own[name] for name in own.keys() - {"user"}} == {
        "result": True,
        "administrator": False,
        "moderator": False,
        "announcer": False,
        "may_rename": True,
        "may_change_position": True,
    }
    assert (await me(testing.identity_headers("users", ann, administrator=True)))["administrator"]


async def test_names_can_be_left_to_administrators(
    users: httpx.AsyncClient, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await people.register("Ann")
    monkeypatch.setenv("USERS_RENAMING", "administrators")
    async with testing.client_for(api_process.create_app()) as strict:
        path, draft = f"/api/users/{ann}", {"name": "Anna"}
        own = await strict.patch(path, json=draft, headers=signed(ann))
        me = (await strict.get("/api/users/me", headers=signed(ann))).json()
        by_administrator = await strict.patch(path, json=draft, headers=people.administrator)

    assert (own.status_code, own.json()["error_type"]) == (403, "RenamingNotAllowed")
    assert (me["user"]["name"], me["may_rename"]) == ("Ann", False)
    assert by_administrator.json() == {"result": True}
    assert (await people.profile(ann))["name"] == "Anna"


async def test_a_person_comes_back_without_keys_and_roles(
    users: httpx.AsyncClient, people: People
) -> None:
    created = await users.post("/api/users", json={"name": "Ann"}, headers=people.administrator)
    ann, key = created.json()["user_id"], created.json()["api_key"]
    fan = await people.register("Fan")
    await users.post(f"/api/users/{ann}/follow", headers=signed(fan))
    for right in ("administrator", "roles/moderator"):
        await users.put(f"/api/users/{ann}/{right}", headers=people.administrator)
    await users.delete(f"/api/users/{ann}", headers=people.administrator)

    answers = [
        await users.post(f"/api/users/{ann}/reactivation", headers=people.administrator)
        for _ in range(2)
    ]

    assert [answer.json() for answer in answers] == [{"result": True}] * 2
    assert [len(answer.headers.get("warble-events", "")) > 0 for answer in answers] == [True, False]
    assert (await people.profile(ann))["followers"] == [{"id": fan, "name": "Fan"}]
    assert (await owner_of(users, key)).status_code == 404
    (listed,) = (await users.get(f"/api/people?query={ann}", headers=people.administrator)).json()[
        "people"
    ]
    assert (listed["administrator"], listed["roles"], listed["keys"]) == (False, [], 0)
    new = await users.post(f"/api/users/{ann}/key", headers=people.administrator)
    assert (await owner_of(users, new.json()["api_key"])).json()["scope"] == "account"


async def test_an_erased_person_cannot_come_back(users: httpx.AsyncClient, people: People) -> None:
    ann = await people.register("Ann")
    draft = {"user_id": ann, "name": "Ann"}
    await users.post("/api/erasures", json=draft, headers=people.administrator)

    refused = await users.post(f"/api/users/{ann}/reactivation", headers=people.administrator)
    unknown = await users.post("/api/users/900000/reactivation", headers=people.administrator)

    assert (refused.status_code, refused.json()["error_type"]) == (409, "PersonErased")
    assert (unknown.status_code, unknown.json()["error_type"]) == (404, "UserNotFound")
