"""Reads the lock files: which packages each image contains, with their hashes."""

import base64
import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from devstack.repository import REPOSITORY, SERVICES

IMAGES = (*SERVICES, "gateway", "operate")

_PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; .*)? \\\n((?: {4}--hash=.*\n?)+)", re.MULTILINE)
_NPM_LOCK = REPOSITORY / "web" / "package-lock.json"


@dataclass(frozen=True, slots=True, order=True)
class Package:
    kind: Literal["pypi", "npm"]
    name: str
    version: str
    algorithm: Literal["SHA-256", "SHA-512"]
    hashes: tuple[str, ...]
    """Hexadecimal; the installed file has one of them."""
    licence: str
    """An SPDX expression, or the licence's name as the package states it; may be empty."""


def requirements(name: str) -> Path:
    return REPOSITORY / "requirements" / f"{name}.txt"


def python_packages(name: str) -> list[Package]:
    """The packages of requirements/<name>.txt."""
    return [
        Package(
            "pypi",
            project,
            version,
            "SHA-256",
            tuple(re.findall(r"sha256:(\w+)", hashes)),
            _python_licence(project),
        )
        for project, version, hashes in _PINNED.findall(requirements(name).read_text())
    ]


def npm_packages() -> list[Package]:
    """The packages in the web page, and those that build it."""
    entries = json.loads(_NPM_LOCK.read_text())["packages"]
    return sorted(
        Package(
            "npm",
            path.rpartition("node_modules/")[2],
            entry["version"],
            "SHA-512",
            (_hexadecimal(entry["integrity"]),),
            entry["license"],
        )
        for path, entry in entries.items()
        if path
    )


def _python_licence(project: str) -> str:
    """From the installed metadata: PEP 639's field, a classifier, or the old free-text field."""
    try:
        fields = metadata.metadata(project)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in fields.get_all("Classifier") or ()
        if line.startswith("License :: OSI Approved ::")
    ]
    stated = [*(fields.get_all("License-Expression") or ()), *classifiers]
    stated += fields.get_all("License") or ()
    return next(iter(stated), "")


def _hexadecimal(integrity: str) -> str:
    """Converts a Subresource Integrity value, npm's notation of a hash."""
    algorithm, _, digest = integrity.partition("-")
    assert algorithm == "sha512", integrity
    return base64.b64decode(digest).hex()
