"""The committed OpenAPI document is valid, and documents every operation's errors and examples."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

import gateway
from devstack.repository import REPOSITORY

DOCUMENT: dict[str, Any] = json.loads((Path(gateway.__path__[0]) / "openapi.json").read_text())
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
FIXED = {
    ("/api/tweets", "post"): "201",
    ("/api/tweets", "get"): "200",
    ("/api/medias", "post"): "201",
    ("/api/tweets/{id}", "delete"): "200",
    ("/api/tweets/{id}/likes", "post"): "200",
    ("/api/tweets/{id}/likes", "delete"): "200",
    ("/api/users/{id}/follow", "post"): "200",
    ("/api/users/{id}/follow", "delete"): "200",
    ("/api/users/me", "get"): "200",
    ("/api/users/{id}", "get"): "200",
    ("/uploads/{name}", "get"): "200",
}


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize(("call", "status"), FIXED.items())
def test_every_fixed_operation_exists(call: tuple[str, str], status: str) -> None:
    path, method = call
    assert status in DOCUMENT["paths"][path][method]["responses"]


@pytest.mark.parametrize("readme", ["README.md", "README.ru.md"])
def test_the_readme_names_every_path(readme: str) -> None:
    calls = re.findall(r"`[A-Z]+ (/[^`?]+)[`?]", (REPOSITORY / readme).read_text())

    assert DOCUMENT["paths"].keys() <= set(calls)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_operation_documents_its_errors_and_an_example(
    path: str, method: str, operation: dict[str, Any]
) -> None:
    responses = operation["responses"]
    expected = {"429", "500", "502", "503", "504"}
    if operation.get("security") != []:
        expected |= {"401"} if method in ("get", "head") else {"401", "403"}
    is_other = path.startswith(("/uploads/", "/api/export")) or path.endswith(".csv")
    if "303" in responses:
        assert "content" not in responses["303"]
    elif not is_other and path != "/api/stream":
        success = next(iter(response for status, response in responses.items() if status < "300"))
        schema = success["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert _has_example(DOCUMENT["components"]["schemas"][schema])
    assert expected <= responses.keys()
    for status, response in responses.items():
        if status >= "400":
            content = response["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/ErrorBody")
            assert content["examples"]
    assert operation["summary"]


def _has_example(schema: dict[str, Any]) -> bool:
    return bool(schema.get("examples")) or set(schema["properties"]) == {"result"}
