"""docs/security.md names existing tests, and exceptions from security rules have reasons."""

import re
import subprocess
import tomllib

from devstack.repository import REPOSITORY

LINES = [
    line
    for line in (REPOSITORY / "docs" / "security.md")
    .read_text()
    .partition("## API1")[2]
    .split("\n")
    if line.startswith("| ") and not line.startswith("| attack |")
]


def test_each_line_of_the_threat_model_names_tests_that_exist() -> None:
    for line in LINES:
        named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", line.rpartition(" | ")[2])
        assert named, line
        for file, test in named:
            source = (REPOSITORY / "tests" / file).read_text()
            assert re.search(rf"^(async )?def {test}\(", source, re.MULTILINE), (file, test)


def test_no_risk_of_the_ten_is_left_out() -> None:
    text = (REPOSITORY / "docs" / "security.md").read_text()

    assert re.findall(r"^## API(\d+) ", text, re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_every_exception_from_the_security_rules_has_its_reason_beside_it() -> None:
    listing = ["git", "ls-files", "*.py", ":!tests"]
    listed = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for file in listed.stdout.split():
        for line in (REPOSITORY / file).read_text().splitlines():
            if exception := re.search(r"# noqa: [A-Z0-9, ]*\bS\d{3}(.*)", line):
                assert re.search(r"\w+ \w+", exception[1]), f"{file}: {line.strip()}"
            assert not re.search(r"# noqa(?!:)|# nosec|# ruff: noqa", line), (
                f"{file}: {line.strip()}"
            )
    lines = (REPOSITORY / "pyproject.toml").read_text().splitlines()
    ruff = tomllib.loads("\n".join(lines))["tool"]["ruff"]["lint"]
    excepted = [
        f'"{place}" = ' for place, rules in ruff["per-file-ignores"].items() if "S" in str(rules)
    ]
    excepted += [f'    "{rule}",' for rule in ruff["ignore"] if rule.startswith("S")]
    assert len(excepted) > 3
    for beginning in excepted:
        (line,) = (line for line in lines if line.startswith(beginning))
        assert re.search(r"# \w+ \w+", line), line
