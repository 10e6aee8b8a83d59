"""The processes of our own: each service's api and worker, and the gateway."""

from . import health, places
from .instance import Instance
from .programs import Program


def environment(instance: Instance, service: str) -> dict[str, str]:
    """What a process of the service runs with. A change of its code changes it as well."""
    return instance.service_environment(service) | {"WARBLE_REVISION": revision(service)}


def revision(service: str) -> str:
    """A digest of all the code that a process of the service loads."""
    own = "gateway" if service == "gateway" else f"services/{service}"
    code = (
        path
        for top in ("libs", own)
        for path in (places.REPOSITORY / top).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    )
    return places.digest([*code, places.REPOSITORY / "requirements" / "local.txt"])[:16]


def programs(instance: Instance) -> list[Program]:
    made = []
    for service in places.SERVICES:
        variables = environment(instance, service)
        for replica in range(1, instance.replicas(service) + 1):
            port = instance.offset(places.api_offset(service, replica))
            made.append(_program(instance, service, f"api-{replica}", port, variables))
        port = instance.offset(places.worker_offset(service))
        made.append(_program(instance, service, "worker", port, variables))
    variables = environment(instance, "gateway")
    made.append(_program(instance, "gateway", "", instance.port, variables))
    return made


def _program(
    instance: Instance, service: str, role: str, port: int, variables: dict[str, str]
) -> Program:
    name = f"{service}-{role}" if role else service
    package = f"services.{service}" if role else service
    host = "127.0.0.1" if role else instance.gateway_host
    url = instance.url(name) or ""
    factory = "create_worker" if role == "worker" else "create_app"
    return Program(
        name=name,
        command=[
            places.python(),
            *("-m", "chassis.serve", f"{package}.main:{factory}"),
            *("--host", host, "--port", str(port)),
        ],
        environment=variables,
        ready=lambda: health.is_healthy(url),
        port=port,
        host=host,
    )
