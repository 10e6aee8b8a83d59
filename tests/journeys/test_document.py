"""Tests the running system against the OpenAPI document, with calls that Schemathesis generates.

All checks of Schemathesis but one are enabled: no response is a server error, every response
matches the document, and calls that the document forbids are refused. `make test` makes one call
of each operation, `make test-slow` also those at the limits of every field and sequences of calls,
and `make fuzz` thousands of calls.
"""

import asyncio
import os
import secrets
import sys
from pathlib import Path

import pytest

import gateway

from .company import Company

HERE = Path(__file__).parent
LIBS = HERE.parents[1] / "libs"
CONTRACT = Path(gateway.__path__[0]) / "openapi.json"
ALL_CALLS = ["--max-examples", os.environ.get("WARBLE_FUZZ_EXAMPLES", "3")]
SEED = os.environ.get("WARBLE_FUZZ_SEED", "1")
RELATIONS = "use_after_free"
"""The disabled check. After a like of a tweet is deleted, it takes the tweet itself for deleted."""


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("administrator", "extent"),
    [
        # Most calls of a person are refused; an administrator's reach all code.
        pytest.param(True, ["--phases", "fuzzing", "--max-examples", "1"], id="some calls"),
        pytest.param(True, ALL_CALLS, id="an administrator", marks=pytest.mark.slow),
        pytest.param(False, ALL_CALLS, id="a person", marks=pytest.mark.slow),
    ],
)
async def test_no_made_up_call_is_answered_outside_of_the_document(
    company: Company, tmp_path: Path, *, administrator: bool, extent: list[str]
) -> None:
    person = await company.hire(f"Document {secrets.token_hex(4)}")
    await person.post("Something to be found", [await person.upload()])
    (found,) = await person.feed()
    gone = await company.hire("Gone")
    erasure = {"user_id": gone.id, "name": gone.name}
    await company.administrator.done("POST", "/api/erasures", json=erasure)
    caller = company.administrator if administrator else person
    throw_away = {
        "SCHEMATHESIS_HOOKS": str(HERE / "throw_away.py"),
        "PYTHONPATH": str(LIBS),
        "WARBLE_FUZZ_URL": company.instance.gateway_url,
        "WARBLE_FUZZ_ADMIN_KEY": company.administrator.key,
        "WARBLE_FUZZ_PICTURE": found["attachments"][0].removeprefix("/uploads/"),
        "WARBLE_FUZZ_ERASED": str(gone.id),
    }
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
        *(
            "run",
            CONTRACT,
            "--url",
            company.instance.gateway_url,
            "--header",
            f"api-key: {caller.key}",
        ),
        *("--checks", "all", "--exclude-checks", RELATIONS, *extent),
        *("--seed", SEED, "--generation-database", "none", "--no-color", "--continue-on-failure"),
        cwd=tmp_path,
        env=os.environ | throw_away,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asking.communicate()

    assert asking.returncode == 0, output.decode()
    assert (await caller.ask("GET", "/api/users/me")).status_code == 200
