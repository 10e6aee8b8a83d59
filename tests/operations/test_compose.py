"""Checks of docker-compose.yml: restarts, limits, open ports, secrets."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.compose import make_secrets
from devstack import repository
from devstack.repository import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {"secrets", "database", *(f"{service}-migrate" for service in repository.SERVICES)}
LONG_RUNNING = sorted(SERVICES.keys() - JOBS - {"operate"})


def is_application(service: dict[str, Any]) -> bool:
    return str(service["image"]).startswith("warble/")


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_every_long_running_service_is_restarted_limited_and_checked(name: str) -> None:
    service = SERVICES[name]

    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["healthcheck"]["test"]
    if is_application(service):
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


def test_images_are_pinned_and_the_file_contains_no_secret() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":[^:]*\d+\.\d+|:RELEASE\.", service["image"]), name
        for variable, value in (service.get("environment") or {}).items():
            is_secret = re.search("PASSWORD|SECRET|KEY|TOKEN", variable)
            assert not is_secret or str(value).startswith("/secrets"), f"{name}: {variable}"


def test_each_service_mounts_only_its_own_secrets() -> None:
    for name, service in SERVICES.items():
        mounted = {
            volume.partition("-secrets:")[0]
            for volume in service.get("volumes", ())
            if "-secrets:" in volume
        }
        owner = re.sub("-(worker|stream|migrate)$", "", name)
        allowed = {"secrets": None, "database": {"postgres"}}.get(name, {owner})
        assert allowed is None or mounted <= allowed, name


def test_no_service_receives_a_secret_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_secrets, "ROOT", tmp_path)
    # Only root may change the owner of a file.
    monkeypatch.setattr(os, "chown", lambda *_: None)
    volumes = {name for name in COMPOSE["volumes"] if name.endswith("-secrets")}
    owners = {name.removesuffix("-secrets") for name in volumes}
    for owner in owners:
        (tmp_path / owner).mkdir()

    make_secrets.main()

    texts = {
        owner: "".join(file.read_text() for file in (tmp_path / owner).rglob("*") if file.is_file())
        for owner in owners
    }
    generated = json.loads((tmp_path / "all" / "secrets.json").read_text())
    generated["administrator"] = (tmp_path / "all" / "admin.key").read_text().strip()
    receivers = {
        name: {owner for owner in owners - {"all", "operate"} if secret in texts[owner]}
        for name, secret in generated.items()
    }
    assert receivers.pop("administrator") == {"users"}
    assert receivers.pop("grafana_password") == {"grafana"}
    assert receivers.pop("identity") == {"gateway"}
    assert receivers.pop("database_owner") == {"postgres"}
    for name, shared_with in (("database", "postgres"), ("broker", "rabbitmq")):
        for service in (*repository.SERVICES, *(["gateway"] if name == "broker" else [])):
            assert receivers.pop(f"{name}_{service}") <= {service, shared_with}
    assert receivers.pop("store_access") == receivers.pop("store_secret") == {"media", "minio"}
    assert receivers.pop("broker_password") <= {"rabbitmq"}
    assert receivers == {"broker_cookie": set()}
    for name in ("identity", "broker_gateway", "broker_password", "grafana_password"):
        assert generated[name] not in texts["operate"], name


def test_the_container_with_all_secrets_runs_only_when_an_operator_asks_for_it() -> None:
    operate = SERVICES["operate"]

    assert operate["profiles"] == ["operate"]
    assert operate["restart"] == "no"
    assert operate["cap_drop"] == ["ALL"]
    assert "ports" not in operate
    assert "outside" not in operate["networks"]
