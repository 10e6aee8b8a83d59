"""Secrets are found in the whole git history, even if a later commit removed them."""

import secrets as randomness
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.auth import api_keys
from tools.supply_chain import secrets


def committed(repository: Path, content: str, file: str = "settings.txt") -> None:
    (repository / file).write_text(content)
    author = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for arguments in (("add", "."), (*author, "commit", "--quiet", "--message", "x")):
        subprocess.run(["git", *arguments], cwd=repository, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def test_a_warble_key_is_found_after_a_later_commit_removed_it(repository: Path) -> None:
    key = api_keys.generate()
    committed(repository, f"curl -H 'api-key: {key}'")
    committed(repository, "curl -H 'api-key: …'")

    found = secrets.find_all(repository)

    assert "settings.txt: Warble key, wrb_…" in found
    assert key not in str(found)


def test_a_key_that_is_not_committed_yet_is_found(repository: Path) -> None:
    committed(repository, "nothing")
    (repository / "new.txt").write_text(f"api-key: {api_keys.generate()}")

    assert "new.txt: Warble key, wrb_…" in secrets.find_all(repository)


def test_a_string_without_a_keys_checksum_is_not_reported(repository: Path) -> None:
    committed(repository, f"it looks like wrb_{'A' * 48}")

    assert secrets.find_all(repository) == []


def test_other_kinds_of_secrets_are_found(repository: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    committed(repository, pem.decode(), "key.pem")
    committed(repository, f'password = "{randomness.token_hex(20)}"', "settings.py")
    committed(repository, f"amqp://users:{randomness.token_hex(12)}@mq/", "addresses")

    found = "\n".join(secrets.find_all(repository))

    assert "key.pem: Private Key" in found
    assert "settings.py: " in found
    assert "addresses: Basic Auth Credentials" in found
