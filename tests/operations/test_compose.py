"""What docker-compose.yml promises to whoever runs it, read off the file itself."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import make_secrets
from deploy.local import places
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
    (port,) = ports["gateway"]
    assert port.endswith(":8000")
    assert not SERVICES["gateway"]["environment"]["GATEWAY_INTERNAL_ADDRESS"].endswith(":8000")
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


def test_no_secret_of_one_part_is_given_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_secrets, "ROOT", tmp_path)
    # Only root may give a file away.
    monkeypatch.setattr(os, "chown", lambda *_: None)
    volumes = {name for name in COMPOSE["volumes"] if name.endswith("-secrets")}
    parts = {name.removesuffix("-secrets") for name in volumes}
    for part in parts:
        (tmp_path / part).mkdir()

    make_secrets.main()

    texts = {
        part: "".join(file.read_text() for file in (tmp_path / part).iterdir()) for part in parts
    }
    made = json.loads((tmp_path / "all" / "secrets.json").read_text())
    made["administrator"] = (tmp_path / "all" / "admin.key").read_text().strip()
    given = {
        name: {part for part, text in texts.items() if part != "all" and secret in text}
        for name, secret in made.items()
    }
    assert given.pop("administrator") == {"users"}
    assert given.pop("grafana_password") == {"grafana"}
    assert given.pop("identity") == {"gateway"}
    assert given.pop("database_owner") == {"postgres"}
    for name, shared_with in (("database", "postgres"), ("broker", "rabbitmq")):
        for service in (*places.SERVICES, *(["gateway"] if name == "broker" else [])):
            assert given.pop(f"{name}_{service}") <= {service, shared_with}
    assert given.pop("store_access") == given.pop("store_secret") == {"media", "minio"}
    assert given.pop("broker_password") <= {"rabbitmq"}
    assert given == {"broker_cookie": set()}


def test_documented_commands_in_our_containers_load_the_secrets() -> None:
    """`docker compose exec` does not run the entrypoint, which reads them."""
    ours = "|".join(name for name, service in SERVICES.items() if is_ours(service))
    documents = [*REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("README*.md")]

    commands = [
        command
        for document in documents
        for command in re.findall(
            rf"docker compose exec (?:-T )?(?:{ours}|\$\S+) +(.* -m .*)", document.read_text()
        )
    ]

    assert commands
    assert [command for command in commands if not command.startswith("./start ")] == []


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
