"""Whatever the API may refuse on the page is said in each of its languages."""

import json
import re

import pytest

from deploy.local.places import REPOSITORY

DOCUMENT = json.loads((REPOSITORY / "gateway" / "openapi.json").read_text())
NEVER_ASKED = re.compile(
    r"/uploads/|/api/(audit|erasures|export)|/(keys?|sessions|administrator)\b"
    r"|(POST|DELETE) /api/users(/{id})?$"
)
"""Operations that the page does not call by itself: a browser loads pictures and the archive."""
NEVER_TOLD = {
    "CrossSiteRequest",
    "IdempotencyKeyReused",
    "InvalidRequest",
    "NotFound",
    "NotYourName",
}
"""What a page of our own never gives cause for."""


@pytest.mark.parametrize("language", ["en", "ru"])
def test_every_refusal_has_its_sentence(language: str) -> None:
    told = {
        example["value"]["error_type"]
        for path, operations in DOCUMENT["paths"].items()
        for method, operation in operations.items()
        if not NEVER_ASKED.search(f"{method.upper()} {path}")
        for status, answer in operation["responses"].items()
        if status >= "400"
        for example in answer["content"]["application/json"]["examples"].values()
    }
    words = (REPOSITORY / "web" / "src" / "text" / f"{language}.ts").read_text()
    reasons = set(re.findall(r"^    (\w+): \"", words.partition("  reasons: {\n")[2], re.MULTILINE))

    assert {"TweetNotFound", "ServiceUnavailable"} <= told
    assert told - NEVER_TOLD - reasons == set()
