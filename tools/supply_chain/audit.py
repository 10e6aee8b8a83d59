"""Looks up known vulnerabilities of the locked packages with `pip-audit` and `npm audit`.

Both tools report no vulnerability if they cannot reach their database. Here that case is
reported as "not audited".
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from devstack import web_build
from devstack.repository import REPOSITORY

from .lock_files import requirements

ACCEPTED: Mapping[str, str] = MappingProxyType({})
"""Advisories to ignore for now: identifier, and why the vulnerability is harmless here."""

_REQUIREMENTS = ("dev", "node")
"""Requirements files that together contain every locked package."""

OIDC_PROVIDER = REPOSITORY / "tests" / "oidc_provider"
"""An identity provider that only tests run."""

_DATABASES = ("pypi", "osv")
_TIMEOUT_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Audit:
    subject: str
    audited: int
    """The number of packages."""
    advisories: tuple[str, ...] = ()
    """One line each."""
    incomplete: str = ""
    """Why some or all packages were not audited; empty if all were."""

    def __str__(self) -> str:
        if self.incomplete:
            summary = (
                f"{self.subject}: NOT AUDITED, except {self.audited} packages.\n  {self.incomplete}"
            )
        else:
            summary = f"{self.subject}: {self.audited} audited, {len(self.advisories)} advisories."
        return "\n  ".join((summary, *self.advisories))


def python_packages() -> Audit:
    """With PyPI's database or, if that fails, with that of osv.dev."""
    reasons = []
    for source in _DATABASES:
        audit = parse_pip_audit(*_run([sys.executable, "-m", "pip_audit", *_pip_audit(source)]))
        if not audit.incomplete:
            return audit
        reasons.append(f"{source}: {audit.incomplete}")
    return replace(audit, incomplete="\n  ".join(reasons))


def npm_packages(folder: Path = web_build.WEB) -> Audit:
    """With the npm registry's database. Raises CommandFailed if Node.js cannot be installed."""
    command = ("audit", "--json", "--fetch-retries=0", "--fetch-timeout=20000")
    try:
        result = web_build.npm(*command, seconds=_TIMEOUT_SECONDS, folder=folder)
    except subprocess.TimeoutExpired as expired:
        return parse_npm_audit("", str(expired), folder)
    return parse_npm_audit(result.stdout, result.stderr, folder)


def parse_pip_audit(stdout: str, stderr: str) -> Audit:
    """`stdout` is pip-audit's JSON, or empty if it failed."""
    report = _json(stdout)
    if "dependencies" not in report:
        return Audit("Python packages", 0, incomplete=_last_line(stderr))
    advisories, skipped = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["skip_reason"])
            continue
        for advisory in package["vulns"]:
            if ACCEPTED.keys().isdisjoint((advisory["id"], *advisory["aliases"])):
                fixed_in = ", ".join(advisory["fix_versions"]) or "none yet"
                advisories.append(
                    f"{package['name']} {package['version']}: {advisory['id']},"
                    f" fixed in: {fixed_in}"
                )
    incomplete = (
        f"{len(skipped)} packages are unknown to the database: {skipped[0]}" if skipped else ""
    )
    audited = len(report["dependencies"]) - len(skipped)
    return Audit("Python packages", audited, tuple(advisories), incomplete)


def parse_npm_audit(stdout: str, stderr: str, folder: Path) -> Audit:
    """`stdout` is the JSON of `npm audit`."""
    subject = f"npm packages of {folder.relative_to(REPOSITORY)}"
    report = _json(stdout)
    if "auditReportVersion" not in report:
        reason = str(report.get("message") or _last_line(stderr))
        return Audit(subject, 0, incomplete=reason)
    advisories = {
        f"{via['name']} {via['range']}: {advisory}, {via['title']} ({via['severity']})"
        for package in report["vulnerabilities"].values()
        for via in package["via"]
        # `via` is a package's name if the advisory is about a dependency.
        if isinstance(via, dict)
        if (advisory := via["url"].rpartition("/")[2]) not in ACCEPTED
    }
    audited = report["metadata"]["dependencies"]["total"]
    return Audit(subject, audited, tuple(sorted(advisories)))


def _pip_audit(source: str) -> list[str]:
    files = [word for name in _REQUIREMENTS for word in ("--requirement", str(requirements(name)))]
    return [
        *("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"),
        *("--timeout", "20", "--vulnerability-service", source, *files),
    ]


def _run(command: list[str]) -> tuple[str, str]:
    try:
        result = subprocess.run(
            command,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        return "", str(expired)
    return result.stdout, result.stderr


def _json(text: str) -> dict[str, Any]:
    try:
        report = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return report if isinstance(report, dict) else {}


def _last_line(stderr: str) -> str:
    lines = stderr.strip().splitlines() or ["The tool printed nothing."]
    return lines[-1][:300]
