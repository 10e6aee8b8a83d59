"""The system that the tests run on: a separate instance on its own ports, beside `make up`'s."""

import asyncio
import contextlib
import fcntl
import importlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import hypothesis
import pytest
import structlog

from chassis import testing
from chassis.database import migrations
from devstack import port_numbers, postgres
from devstack.instance import Instance
from devstack.repository import REPOSITORY, SERVICES
from operate.postgres import connect
from tests import identity_provider
from tests.examples import MANY
from tests.identity_provider import IdentityProvider
from tests.journeys.company import Company, company_at
from tests.oidc_provider import CertifiedProvider
from tools.seed import identity_provider as demonstration

# structlog would format tracebacks with rich, which takes seconds.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# httpcore tries to import this library several times in every request. It is not installed, and the
# search of all folders for it takes a third of the client's CPU time.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

# On a busy machine a single example may take long.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.register_profile(MANY, deadline=None)
hypothesis.settings.load_profile("tests")

TWO_REPLICAS = {f"{name.upper()}_REPLICAS": "2" for name in SERVICES}
SETTINGS = {
    "WARBLE_HOME": os.environ.get("WARBLE_TEST_HOME", ".local/test"),
    "WARBLE_PORT": os.environ.get("WARBLE_TEST_PORT", "18000"),
    "WARBLE_ENV_FILE": "",
    "GATEWAY_RATE_LIMITS": "off",
    # On a busy machine a change takes longer than usual to reach the feed.
    "FEED_OWN_WRITES_TIMEOUT_SECONDS": "5",
    **TWO_REPLICAS,
}
_EXCLUSIVE_SYSTEM = {
    "WARBLE_HOME": f"{SETTINGS['WARBLE_HOME']}-exclusive",
    "WARBLE_PORT": str(int(SETTINGS["WARBLE_PORT"]) + 2000),
}


def _port(offset: int) -> int:
    return int(SETTINGS["WARBLE_PORT"]) + offset


# Nobody serves at these addresses but in the tests that need it: the system runs without.
DEMONSTRATION_PROVIDER, SCRIPTED_PROVIDER = _port(port_numbers.IDENTITY_PROVIDER), _port(91)
CERTIFIED_PROVIDER = CertifiedProvider(_port(92), f"http://127.0.0.1:{_port(0)}")
SETTINGS["USERS_SIGN_ON"] = json.dumps(
    {
        "demonstration": demonstration.settings(DEMONSTRATION_PROVIDER),
        "company": IdentityProvider(SCRIPTED_PROVIDER).settings(
            admitting_groups=["staff"], administrator_groups=["administrators"]
        ),
        CertifiedProvider.NAME: CERTIFIED_PROVIDER.settings(),
    }
)


def _instance(settings: dict[str, str]) -> Instance:
    return Instance(REPOSITORY / settings["WARBLE_HOME"], int(settings["WARBLE_PORT"]), settings)


_SHARED = _instance(
    # On a busy machine a service or the database may answer late. The exclusive system keeps the
    # usual limits: tests of outages expect an answer in that time.
    SETTINGS
    | {"GATEWAY_UPSTREAM_TIMEOUT_SECONDS": "60"}
    | {f"{name.upper()}_DB_CONNECTION_TIMEOUT_SECONDS": "30" for name in SERVICES}
)
_EXCLUSIVE = _instance(SETTINGS | _EXCLUSIVE_SYSTEM)


def _local(instance: Instance, *arguments: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "devstack", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **instance.settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        # Not pytest.exit: a worker of xdist that exits takes this message with it.
        raise RuntimeError(f"{' '.join(arguments)} failed:\n{ran.stdout}{ran.stderr}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the tests so that no worker of xdist idles.

    `--dist=worksteal` gives each worker a part of this list, in order; a worker that has finished
    takes tests from the end of another's part. So the first worker runs the exclusive tests in a
    row, while the others run tests that need no system, and at first none of its parts.
    """
    items.sort(key=_place_in_run)


def _place_in_run(item: pytest.Item) -> int:
    if item.get_closest_marker("exclusive"):
        return 0
    fixtures = {*getattr(item, "fixturenames", ())}
    if fixtures & {"stack", "running_stack"}:
        return 1
    return 3 if fixtures & {"infrastructure", "apart", "broker"} else 2


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ends what the tests started, once all of xdist's workers are done."""
    if os.environ.keys() & {"PYTEST_XDIST_WORKER", "WARBLE_TEST_KEEP"}:
        return
    for instance in (_SHARED, _EXCLUSIVE):
        if instance.root.exists():
            _local(instance, "down")


def _started(instance: Instance, *arguments: str) -> Instance:
    _local(instance, "up", *arguments)
    # PostgreSQL does not wait for the disk. A commit still survives a process that is killed, and
    # no test switches the machine off.
    for statement in ("alter system set fsync = off", "select pg_reload_conf()"):
        asyncio.run(_owner(instance.database(), statement))
    return instance


@pytest.fixture(scope="session")
def infrastructure() -> Instance:
    """PostgreSQL, RabbitMQ and an S3 store, running."""
    return _started(_SHARED, "--only", "infra")


@pytest.fixture(scope="session")
def running_stack() -> Instance:
    """The whole system, running, with two replicas of each service.

    Or one that runs elsewhere, as containers do, at WARBLE_TEST_PORT: see deploy/compose/test.
    """
    if admin_key := os.environ.get("WARBLE_TEST_ADMIN_KEY"):
        _SHARED.make_folder()
        return Instance(_SHARED.root, _SHARED.port, {"USERS_ADMIN_KEY": admin_key})
    return _started(_SHARED)


@pytest.fixture(scope="session")
def exclusive_system() -> Instance:
    """The whole system once more: no test has to wait until another one has mended it."""
    # `up` would start what the test of another worker has stopped.
    with _lock(_EXCLUSIVE, "stack"):
        return _started(_EXCLUSIVE)


@contextlib.contextmanager
def _lock(instance: Instance, name: str) -> Iterator[None]:
    """Locks something that xdist's workers share."""
    instance.make_folder()
    with (instance.root / "run" / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_exclusive(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("exclusive") is not None


@pytest.fixture
def stack(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """The running system, shared with other tests; the exclusive one for a test marked so."""
    if not _is_exclusive(request):
        yield request.getfixturevalue("running_stack")
        return
    system: Instance = request.getfixturevalue("exclusive_system")
    with _lock(system, "stack"):
        yield system


@pytest.fixture
def provider_turn(stack: Instance) -> Iterator[None]:
    """The identity providers, which both systems know: one test at a time has them."""
    with _lock(_SHARED, "provider"):
        yield


@pytest.fixture
async def scripted_provider(
    stack: Instance, provider_turn: None
) -> AsyncIterator[IdentityProvider]:
    """The provider `company` of the running system."""
    async with identity_provider.running(SCRIPTED_PROVIDER) as provider:
        from joserfc.jwk import RSAKey

        # Users keeps the provider's key for an hour, also from one test to the next.
        stored = _SHARED.root / "run" / "provider.jwk"
        if stored.exists():
            provider.key = RSAKey.import_key(json.loads(stored.read_text()))
        else:
            stored.write_text(json.dumps(provider.key.as_dict(private=True)))
        provider.subject = f"ann-{secrets.token_hex(4)}"
        yield provider


@pytest.fixture
def demonstration_provider(stack: Instance, provider_turn: None) -> Iterator[str]:
    """The address of the provider `demonstration`, which is Canaille."""
    server = demonstration.serve(
        DEMONSTRATION_PROVIDER, stack.gateway_url, stack.root / "run" / "demonstration.key"
    )
    yield demonstration.issuer(DEMONSTRATION_PROVIDER)
    server.shutdown()
    server.server_close()


@pytest.fixture
async def certified_provider(
    stack: Instance, provider_turn: None
) -> AsyncIterator[CertifiedProvider]:
    """The provider `certified` of the running system."""
    async with CERTIFIED_PROVIDER.running(stack.root / "run" / "certified.jwk"):
        yield CERTIFIED_PROVIDER


@pytest.fixture
async def company(stack: Instance) -> AsyncIterator[Company]:
    async with company_at(stack) as company:
        yield company


async def _owner(owner: dict[str, str], statement: str) -> None:
    async with connect(owner | {"DB_NAME": "postgres"}) as connection:
        await connection.execute(statement)


@pytest.fixture(scope="module")
def apart(request: pytest.FixtureRequest) -> Iterator[Instance]:
    """The same infrastructure with a separate database for the test module."""
    system: Instance = request.getfixturevalue(
        "exclusive_system" if _is_exclusive(request) else "infrastructure"
    )
    owner = system.database()
    name = f"test_{secrets.token_hex(6)}"
    own = Instance(system.root, system.port, system.settings | owner | {"DB_NAME": name})
    postgres.bootstrap(own)
    yield own
    asyncio.run(_owner(owner, f'drop database "{name}" with (force)'))


@pytest.fixture(scope="module")
def as_service(apart: Instance) -> Iterator[Callable[[str], None]]:
    """Gives this process the environment of a service, and migrates the service's schema."""
    patch = pytest.MonkeyPatch()
    ready: set[str] = set()

    def become(service: str) -> None:
        prefix = f"{service.upper()}_"
        for name, value in apart.service_environment(service).items():
            if name.startswith((prefix, "DB_")):
                patch.setenv(name, value)
        patch.setenv(f"{prefix}IDENTITY_PUBLIC_KEY", testing.PUBLIC_KEY)
        if service not in ready:
            settings = importlib.import_module(f"services.{service}.settings").Settings()
            # Alembic starts an event loop, and asynchronous fixtures already have a running one.
            thread.submit(migrations.upgrade, f"services.{service}", settings).result()
            ready.add(service)

    with ThreadPoolExecutor(1) as thread:
        yield become
    patch.undo()
