"""The packages that the lock files pin, and which part each is in."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deploy.local.places import REPOSITORY, SERVICES

IMAGES = (*SERVICES, "gateway")
SETS = (*IMAGES, "local", "dev", "node")
"""What is locked: each image, `make up`, tests and checks, a Node.js where there is none."""

_PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; .*)? \\\n((?: {4}--hash=.*\n?)+)", re.MULTILINE)
_PAGE = REPOSITORY / "web" / "package-lock.json"


@dataclass(frozen=True, slots=True, order=True)
class Package:
    kind: Literal["pypi", "npm"]
    name: str
    version: str
    algorithm: Literal["SHA-256", "SHA-512"]
    hashes: tuple[str, ...]
    """Hexadecimal: one of them is that of the file which is installed."""


def requirements(name: str) -> Path:
    return REPOSITORY / "requirements" / f"{name}.txt"


def python_packages(name: str) -> list[Package]:
    """Those of one of SETS."""
    return [
        Package("pypi", project, version, "SHA-256", tuple(re.findall(r"sha256:(\w+)", hashes)))
        for project, version, hashes in _PINNED.findall(requirements(name).read_text())
    ]


def page_packages() -> list[Package]:
    """What the page is built of and with."""
    return sorted(
        Package("npm", name, entry["version"], "SHA-512", (_hexadecimal(entry["integrity"]),))
        for name, entry in page_entries()
    )


def page_entries() -> Iterator[tuple[str, dict[str, str]]]:
    """Name and entry of each package in the page's lock file."""
    for path, entry in json.loads(_PAGE.read_text())["packages"].items():
        if path:
            yield path.rpartition("node_modules/")[2], entry


def _hexadecimal(integrity: str) -> str:
    """Of a Subresource Integrity value, as npm pins a package."""
    algorithm, _, digest = integrity.partition("-")
    assert algorithm == "sha512", integrity
    return base64.b64decode(digest).hex()
