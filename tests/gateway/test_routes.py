"""Routing: a path that gateway and service might read differently is not found."""

import json
from pathlib import Path

import pytest

import gateway
from chassis.http.errors import MethodNotAllowed, NotFound
from gateway.routes import Routes

ROUTES = Routes(json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text()))


@pytest.mark.parametrize(
    ("method", "path", "template", "service"),
    [
        ("GET", "/api/tweets", "/api/tweets", "feed"),
        ("POST", "/api/tweets", "/api/tweets", "tweets"),
        ("GET", "/api/users/me", "/api/users/me", "users"),
        ("GET", "/api/users/7", "/api/users/{id}", "users"),
        ("GET", "/api/users/abc", "/api/users/{id}", "users"),
        ("GET", "/api/users/-1/tweets", "/api/users/{id}/tweets", "feed"),
        ("GET", "/uploads/Zk3_-x.png", "/uploads/{name}", "media"),
        ("HEAD", "/uploads/x.png", "/uploads/{name}", "media"),
        ("HEAD", "/api/tweets", "/api/tweets", "feed"),
        ("POST", "/api/session", "/api/session", "gateway"),
        *(
            (
                "POST",
                f"/api/notifications/like{colon}31{colon}2026-11-29/read",
                "/api/notifications/{id}/read",
                "notifications",
            )
            for colon in (":", "%3A", "%3a")
        ),
        ("GET", "/api/erasures/7", "/api/erasures/{id}", "gateway"),
    ],
)
def test_a_path_of_the_contract_is_routed_to_its_service(
    method: str, path: str, template: str, service: str
) -> None:
    route = ROUTES.match(method, path.encode())

    assert (route.template, route.service) == (template, service)
    assert route.is_open == path.startswith(("/uploads/", "/api/session"))


@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api/tweets/",
        "/api//tweets",
        "/api/users/../tweets",
        "/api/users/./me",
        "/api/users/%2e%2e/tweets",
        "/api/users/1%2ffollow",
        "/api/users/1%00",
        "/api/users/1;a=b",
        "/api/notifications/like%3b31/read",
        "/api/notifications/like%253a31/read",
        "/api/users/1\\follow",
        "/uploads/..%2fsecret",
        "/uploads/..",
        "/internal/keys/x",
        "/metrics",
        "/api/users/ы",
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFound):
        ROUTES.match("GET", path.encode())


def test_a_wrong_method_is_answered_with_the_allowed_ones() -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTES.match("POST", b"/api/users/me")

    assert "GET" in refused.value.headers["Allow"]
