"""Searches git for secrets: every line of every version of every file, and uncommitted files.

A clone contains the whole history. So a secret that was ever committed must be replaced; removing
it from the current version is not enough.
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

from devstack.repository import REPOSITORY
from operate.terminal import CommandFailed

ALLOWED: Mapping[str, str] = MappingProxyType(
    {
        "secret": ".env.example, a placeholder in addresses",
        "private": "tests/chassis/test_logging.py, a password that must not be logged",
        "warble-certificate": "the ingress, the name of a Kubernetes secret",
        "database-owner": "the operators' commands, the name of a Kubernetes secret",
        "database-owner}}": "the same, at the end of a line of YAML",
        "ro": "docker-compose.yml, how a volume with secrets is mounted",
        "sessions": "gateway/stream_proxy.py, a part of a path",
        "keys": "gateway/stream_proxy.py, a part of a path",
        "old,new": "docs/operations.md, a placeholder for two keys",
        "api-key": "the contract, the name of a header",
        "Warble key": "warble_key_detector.py, the name of the detected kind",
        "demonstration": "tools/seed/identity_provider.py, a secret that everybody may know",
        "wrb_…": "the contract, an example",
        "wrb_4Hk…": "the contract, an example",
    }
)
"""Texts that only look like secrets, with their place and meaning."""

_SKIPPED = ("requirements/*.txt", "web/package-lock.json", "*.svg", "*.png")
"""Files full of hashes or digits, which look like secrets."""
_VERIFICATION_FILTER = "detect_secrets.filters.common.is_ignored_due_to_verification_policies"
_WARBLE_KEY_DETECTOR = Path(__file__).with_name("warble_key_detector.py")


def find_all(repository: Path = REPOSITORY) -> list[str]:
    """One line per secret: file, kind and first characters.

    Raises CommandFailed outside a git repository, as in an unpacked archive.
    """
    findings = []
    known: dict[str, type] = get_mapping_from_secret_type_to_class()
    kinds = [{"name": kind.__name__} for kind in known.values()]
    own = {"name": "WarbleKey", "path": _WARBLE_KEY_DETECTOR.as_uri()}
    # The cache does not contain our own detector yet.
    get_mapping_from_secret_type_to_class.cache_clear()
    with (
        tempfile.TemporaryDirectory() as folder,
        transient_settings({"plugins_used": [*kinds, own]}) as settings,
    ):
        # This filter would send a secret to its issuer to find out whether it is valid.
        settings.disable_filters(_VERIFICATION_FILTER)
        collection = SecretsCollection(root=folder)
        for path, lines in _lines_of_all_versions(repository).items():
            file = Path(folder) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"\n".join(lines) + b"\n")
            collection.scan_file(path)
    for path, secret in collection:
        value = secret.secret_value or ""
        # Tests contain invented passwords. Random strings and known formats are found there too.
        is_invented = path.startswith("tests/") and secret.type == KeywordDetector.secret_type
        if value not in ALLOWED and not is_invented:
            findings.append(f"{path}: {secret.type}, {value[:4]}…")
    return sorted(findings)


def _lines_of_all_versions(repository: Path) -> Mapping[str, Mapping[bytes, None]]:
    """Distinct lines by path."""
    listed = _git(repository, b"", "rev-list", "--objects", "HEAD").decode()
    paths: dict[str, str] = {}
    for entry in listed.splitlines():
        blob, _, path = entry.partition(" ")
        if path and _is_scanned(path):
            paths.setdefault(blob, path)
    lines: dict[str, dict[bytes, None]] = defaultdict(dict)
    for blob, content in _contents(repository, paths):
        lines[paths[blob]].update(dict.fromkeys(content.split(b"\n")))
    known = ("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for path in _git(repository, b"", *known).decode().strip("\0").split("\0"):
        file = repository / path
        if file.is_file() and _is_scanned(path):
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


def _is_scanned(path: str) -> bool:
    return not any(map(PurePosixPath(path).match, _SKIPPED))


def _text(content: bytes) -> bytes:
    """Empty for a binary file."""
    return b"" if b"\0" in content else content


def _git(repository: Path, stdin: bytes, *arguments: str) -> bytes:
    result = subprocess.run(
        ["git", *arguments], cwd=repository, input=stdin, capture_output=True, check=False
    )
    if result.returncode:
        raise CommandFailed(f"Cannot read the git history: {result.stderr.decode().strip()}")
    return result.stdout
