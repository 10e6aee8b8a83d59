"""The processes of Warble itself: those of each service, and the gateway."""

from . import health, port_numbers, repository
from .instance import Instance
from .supervisor_config import Program


def environment(instance: Instance, service: str) -> dict[str, str]:
    """The environment of the service's processes. It changes with their code, so they restart."""
    return instance.service_environment(service) | {"WARBLE_REVISION": revision(service)}


def revision(service: str) -> str:
    """A digest of all the code that a process of the service loads."""
    folder = "gateway" if service == "gateway" else f"services/{service}"
    code = (
        path
        for top in ("libs", folder)
        for path in (repository.REPOSITORY / top).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    )
    return repository.digest([*code, repository.REPOSITORY / "requirements" / "local.txt"])[:16]


def programs(instance: Instance) -> list[Program]:
    found = []
    for service in repository.SERVICES:
        variables = environment(instance, service)
        for replica in range(1, instance.replicas(service) + 1):
            port = instance.port_of(port_numbers.api_offset(service, replica))
            found.append(_program(instance, service, f"api-{replica}", port, variables))
        port = instance.port_of(port_numbers.worker_offset(service))
        found.append(_program(instance, service, "worker", port, variables))
    variables = environment(instance, "notifications")
    for replica in range(1, instance.replicas("notifications") + 1):
        port = instance.port_of(port_numbers.stream_offset(replica))
        found.append(_program(instance, "notifications", f"stream-{replica}", port, variables))
    variables = environment(instance, "gateway")
    found.append(_program(instance, "gateway", "", instance.port, variables))
    return found


def _program(
    instance: Instance, service: str, role: str, port: int, variables: dict[str, str]
) -> Program:
    name = f"{service}-{role}" if role else service
    host = "127.0.0.1" if role else instance.gateway_host
    url = instance.url(name) or ""
    module = f"services.{service}.{role.partition('-')[0]}_process" if role else f"{service}.main"
    return Program(
        name=name,
        command=[
            repository.python(),
            *("-m", "chassis", "serve", f"{module}:create_app"),
            *("--host", host, "--port", str(port)),
        ],
        environment=variables,
        is_ready=lambda: health.is_healthy(url),
        port=port,
        host=host,
    )
