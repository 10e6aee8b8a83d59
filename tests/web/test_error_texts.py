"""The page has a text in each language for every error that the API may return to it."""

import json
import re

import pytest

from devstack.repository import REPOSITORY

DOCUMENT = json.loads((REPOSITORY / "gateway" / "openapi.json").read_text())
NEVER_ASKED = re.compile(
    r"/uploads/|/api/(audit|erasures|export|people|health)|/(keys?|sessions|administrator|roles|reactivation)\b"
    r"|(POST|DELETE) /api/users(/{id})?$"
)
"""Operations that no script of the page calls: the browser loads pictures and the archive."""
NEVER_CAUSED = {
    "CrossSiteRequest",
    "IdempotencyKeyReused",
    "InvalidRequest",
    "LogoutNotAccepted",
    "NotFound",
    "NotYourKeys",
    "NotYourName",
}
"""Errors that our own page never causes."""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_refusal_has_its_sentence(language: str) -> None:
    documented = {
        example["value"]["error_type"]
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if not NEVER_ASKED.search(f"{method.upper()} {path}")
        for status, response in operation["responses"].items()
        if status >= "400"
        for example in response["content"]["application/json"]["examples"].values()
    }
    texts = REPOSITORY / "web" / "src" / "text"
    first_script = (
        (texts / f"firstViewTexts.{language}.ts").read_text().partition("  errors: {\n")[2]
    )
    # These two files have English before Russian.
    number = 1 if language == "en" else 2
    invitation = (texts / "newcomerTexts.ts").read_text().split("  errors: {\n")[number]
    others = (texts / "errorTexts.ts").read_text()
    fetched_later = re.split("^const .*{\n", others, flags=re.MULTILINE)[number]
    explained = set(
        re.findall(r"^ +(\w+):", first_script + invitation + fetched_later, re.MULTILINE)
    )

    assert {"TweetNotFound", "ServiceUnavailable"} <= documented
    assert documented - NEVER_CAUSED - explained == set()
