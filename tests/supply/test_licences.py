"""Which licences are kept to, and which are refused."""

import pytest

from deploy.local.terminal import Refused
from deploy.supply import licences


@pytest.mark.parametrize(
    ("expression", "is_permitted"),
    [
        ("MIT", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("MIT AND (GPL-2.0-only OR BSD-2-Clause)", True),
        ("AGPL-3.0-or-later", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-Proprietary", False),
        ("as you like it", False),
    ],
)
def test_an_expression_is_kept_to_by_permitted_licences_alone(
    expression: str, is_permitted: bool
) -> None:
    assert licences.permitted(expression) == is_permitted


def test_a_package_under_a_licence_that_is_not_permitted_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    narrower = {name: asks for name, asks in licences.PERMITTED.items() if name != "PSF-2.0"}
    monkeypatch.setattr(licences, "PERMITTED", narrower)

    with pytest.raises(Refused, match=r"greenlet: MIT AND PSF-2\.0"):
        licences.document()


def test_what_is_not_installed_has_to_be_read_by_hand() -> None:
    with pytest.raises(Refused, match="read its licence by hand"):
        licences.of_python("no-such-package")
