"""What docker-compose.yml promises to whoever runs it, read off the file itself."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.local.places import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"secrets", "database", "users-migrate", "tweets-migrate", "media-migrate", "feed-migrate"}
STAYING = sorted(SERVICES.keys() - ONCE)


def is_ours(service: dict[str, Any]) -> bool:
    return str(service["image"]).startswith("warble/")


@pytest.mark.parametrize("name", STAYING)
def test_what_stays_is_looked_after(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["healthcheck"]["test"]
    if is_ours(service):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service


def test_only_the_gateway_is_open_to_the_world() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert ports.keys() == {"gateway", "grafana"}
    assert all(port.startswith("127.0.0.1:") for port in ports["grafana"])
    outside = {
        name for name, service in SERVICES.items() if "outside" in service.get("networks", ())
    }
    assert outside == {"gateway", "grafana", "alertmanager"}


def test_images_are_pinned_and_no_secret_stands_here() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[^:]*\d+\.\d+|:RELEASE\.", service["image"]), name
        for variable, value in (service.get("environment") or {}).items():
            is_secret = re.search("PASSWORD|SECRET|KEY|TOKEN", variable)
            assert not is_secret or str(value).startswith("/secrets/"), f"{name}: {variable}"


def test_each_part_sees_its_own_secrets_alone() -> None:
    for name, service in SERVICES.items():
        mounted = {
            volume.partition("-secrets:")[0]
            for volume in service.get("volumes", ())
            if "-secrets:" in volume
        }
        part = name.removesuffix("-worker").removesuffix("-migrate")
        wanted = {"secrets": None, "database": {"postgres"}}.get(name, {part})
        assert wanted is None or mounted <= wanted, name


def test_documents_name_services_that_there_are() -> None:
    documents = [*REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("README*.md")]

    named = {
        (document.name, name)
        for document in documents
        for command in re.findall(r"docker compose ([^`|\n]+)", document.read_text())
        for name in services_of(command)
    }
    assert ("README.md", "secrets") in named
    assert {(where, name) for where, name in named if name not in SERVICES} == set()


def services_of(command: str) -> Iterator[str]:
    """Those that a command names, but for variables of a shell."""
    verb, *words = re.sub(r"--(since|tail) \S+", "", command).split()
    words = [word.partition("=")[0] for word in words if not word.startswith("-")]
    named = words[:1] if verb in {"exec", "run"} else words
    return (word for word in named if not word.startswith("$"))
