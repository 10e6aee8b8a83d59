import pytest

from devstack.prometheus import Prometheus, prometheus


@pytest.fixture(scope="session")
def programs() -> Prometheus:
    return prometheus()
