import pytest

from .prometheus import Prometheus, prometheus


@pytest.fixture(scope="session")
def programs() -> Prometheus:
    return prometheus()
