"""What a process of a service imports: each library costs every such process memory."""

import pytest

from devstack.repository import SERVICES
from tests.new_process import output_of

UNUSED = ["alembic", "opentelemetry.sdk", "pyvips", "sentry_sdk"]


@pytest.mark.parametrize("process", ["api", "worker"])
def test_a_process_does_not_import_what_only_others_use(process: str) -> None:
    modules = ["chassis.process.server", "gateway.main"]
    modules += [f"services.{name}.{process}_process" for name in SERVICES]
    unused = list(UNUSED)
    if process == "worker":
        unused += ["chassis.privacy.erasure.api", *(f"services.{name}.api" for name in SERVICES)]
    program = (
        f"import sys, {', '.join(modules)}\n"
        f"print([name for name in {unused} if name in sys.modules])\n"
    )

    assert output_of(program).strip() == "[]"
