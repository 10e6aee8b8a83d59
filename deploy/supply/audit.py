"""Asks whether anything is known against the locked packages, by `pip-audit` and `npm audit`.

Both say that nothing is known when their data could not be had: here that is “not audited”.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from deploy.local import page
from deploy.local.places import REPOSITORY

from .locks import requirements

ACCEPTED: Mapping[str, str] = MappingProxyType({})
"""Advisories that one goes on with for a time: the identifier, and why it does no harm here."""

_ALL = ("dev", "node")
"""The sets that hold every locked package between them."""

_SOURCES = ("pypi", "osv")
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Audit:
    of: str
    audited: int
    known: tuple[str, ...] = ()
    """A line for each advisory."""
    missing: str = ""
    """Why there is no data about some or all of them."""

    def __str__(self) -> str:
        if self.missing:
            told = f"{self.of}: NOT AUDITED, but for {self.audited}.\n  {self.missing}"
        else:
            told = f"{self.of}: {self.audited} audited, {len(self.known)} advisories."
        return "\n  ".join((told, *self.known))


def python_packages() -> Audit:
    """By PyPI's data, else by that of osv.dev."""
    reasons = []
    for source in _SOURCES:
        audit = python_answer(*_ran([sys.executable, "-m", "pip_audit", *_pip_audit(source)]))
        if not audit.missing:
            return audit
        reasons.append(f"{source}: {audit.missing}")
    return replace(audit, missing="\n  ".join(reasons))


def page_packages() -> Audit:
    """By the npm registry's data. Raises Refused where there is no Node.js to be had."""
    command = ("audit", "--json", "--fetch-retries=0", "--fetch-timeout=20000")
    try:
        ran = page.npm(*command, seconds=_SECONDS)
    except subprocess.TimeoutExpired as expired:
        return page_answer("", str(expired))
    return page_answer(ran.stdout, ran.stderr)


def python_answer(out: str, complaint: str) -> Audit:
    """What pip-audit said in its JSON."""
    answer = _json(out)
    if "dependencies" not in answer:
        return Audit("Python packages", 0, missing=_last_line(complaint))
    known, skipped = [], []
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            skipped.append(package["skip_reason"])
            continue
        for advisory in package["vulns"]:
            if ACCEPTED.keys().isdisjoint((advisory["id"], *advisory["aliases"])):
                mended = ", ".join(advisory["fix_versions"]) or "none yet"
                known.append(
                    f"{package['name']} {package['version']}: {advisory['id']}, mended in: {mended}"
                )
    missing = f"Of {len(skipped)} there is no word: {skipped[0]}" if skipped else ""
    audited = len(answer["dependencies"]) - len(skipped)
    return Audit("Python packages", audited, tuple(known), missing)


def page_answer(out: str, complaint: str) -> Audit:
    """What npm said in its JSON."""
    answer = _json(out)
    if "auditReportVersion" not in answer:
        reason = str(answer.get("message") or _last_line(complaint))
        return Audit("The page's packages", 0, missing=reason)
    known = {
        f"{via['name']} {via['range']}: {advisory}, {via['title']} ({via['severity']})"
        for package in answer["vulnerabilities"].values()
        for via in package["via"]
        # A package's name stands here where what it needs is the one with the advisory.
        if isinstance(via, dict)
        if (advisory := via["url"].rpartition("/")[2]) not in ACCEPTED
    }
    audited = answer["metadata"]["dependencies"]["total"]
    return Audit("The page's packages", audited, tuple(sorted(known)))


def _pip_audit(source: str) -> list[str]:
    sets = [word for name in _ALL for word in ("--requirement", str(requirements(name)))]
    return [
        *("--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"),
        *("--timeout", "20", "--vulnerability-service", source, *sets),
    ]


def _ran(command: list[str]) -> tuple[str, str]:
    try:
        ran = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as expired:
        return "", str(expired)
    return ran.stdout, ran.stderr


def _json(out: str) -> dict[str, Any]:
    try:
        answer = json.loads(out)
    except json.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _last_line(complaint: str) -> str:
    lines = complaint.strip().splitlines() or ["Nothing was answered."]
    return lines[-1][:300]
