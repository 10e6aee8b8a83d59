"""Looks for secrets in what git keeps, or would with the next commit: every line of all times.

Whoever has a clone has its history too: what was committed once has to be replaced, not removed.
"""

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.settings import transient_settings

from deploy.local.places import REPOSITORY
from deploy.local.terminal import Refused

ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        "secret": ".env.example, in addresses that are to be filled in",
        "private": "tests/chassis/test_telemetry.py, a password that must not be in a trace",
        "warble-certificate": "the ingress, the name of a Kubernetes secret",
        "ro": "docker-compose.yml, how a volume with secrets is mounted",
        "old,new": "docs/operations.md, in the place of two keys",
        "api-key": "the contract, a header's name",
        "Warble key": "own_keys.py, what one that is found is called",
        "wrb_…": "the contract, an example",
        "wrb_4Hk…": "the contract, an example",
    }
)
"""What looks like a secret and is none: the text, and where and why it stands."""

_MADE_OF_HASHES = ("requirements/*.txt", "web/package-lock.json", "*.svg", "*.png")
_VERIFYING = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
_OWN_KEYS = Path(__file__).with_name("own_keys.py")


def found(repository: Path = REPOSITORY) -> list[str]:
    """A line for each: the file, what kind, and how it begins. Raises Refused where git keeps
    nothing here, as in an unpacked archive."""
    told = []
    known: dict[str, type] = get_mapping_from_secret_type_to_class()
    kinds = [{"name": kind.__name__} for kind in known.values()]
    own = {"name": "WarbleKey", "path": _OWN_KEYS.as_uri()}
    # It looks for our own kind when it is asked again.
    get_mapping_from_secret_type_to_class.cache_clear()
    with (
        tempfile.TemporaryDirectory() as folder,
        transient_settings({"plugins_used": [*kinds, own]}) as settings,
    ):
        # It would ask those who gave out a secret whether it is good.
        settings.disable_filters(_VERIFYING)
        collection = SecretsCollection(root=folder)
        for path, lines in _lines_of_all_times(repository).items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"\n".join(lines) + b"\n")
            collection.scan_file(path)
    for path, secret in collection:
        value = secret.secret_value or ""
        # Tests make up words for keys; what is random or has a known form is found there too.
        is_a_tests_word = path.startswith("tests/") and secret.type == KeywordDetector.secret_type
        if value not in ALLOWED and not is_a_tests_word:
            told.append(f"{path}: {secret.type}, {value[:4]}…")
    return sorted(told)


def _lines_of_all_times(repository: Path) -> Mapping[str, Mapping[bytes, None]]:
    """By path, in the order in which they are met, each once."""
    listed = _git(repository, b"", "rev-list", "--objects", "HEAD").decode()
    paths: dict[str, str] = {}
    for entry in listed.splitlines():
        blob, _, path = entry.partition(" ")
        if path and _may_hold(path):
            paths.setdefault(blob, path)
    lines: dict[str, dict[bytes, None]] = defaultdict(dict)
    for blob, content in _contents(repository, paths):
        lines[paths[blob]].update(dict.fromkeys(content.split(b"\n")))
    known = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for path in _git(repository, b"", *known).decode().strip("\0").split("\0"):
        file = repository / path
        if file.is_file() and _may_hold(path):
            lines[path].update(dict.fromkeys(_text(file.read_bytes()).split(b"\n")))
    return lines


def _contents(repository: Path, blobs: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    out = memoryview(_git(repository, "\n".join(blobs).encode(), "cat-file", "--batch"))
    while out:
        head, _, _ = bytes(out[:200]).partition(b"\n")
        blob, kind, length = head.decode().split()
        content = bytes(out[len(head) + 1 :][: int(length)])
        out = out[len(head) + int(length) + 2 :]
        if kind == "blob":
            yield blob, _text(content)


def _may_hold(path: str) -> bool:
    return not any(map(PurePosixPath(path).match, _MADE_OF_HASHES))


def _text(content: bytes) -> bytes:
    """Nothing of what is no text."""
    return b"" if b"\0" in content else content


def _git(repository: Path, given: bytes, *arguments: str) -> bytes:
    ran = subprocess.run(
        ["git", *arguments], cwd=repository, input=given, capture_output=True, check=False
    )
    if ran.returncode:
        raise Refused(f"There is no history to look through: {ran.stderr.decode().strip()}")
    return ran.stdout
