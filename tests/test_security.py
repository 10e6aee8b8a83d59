"""The threat model names tests that are there."""

import re

from deploy.local.places import REPOSITORY

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
