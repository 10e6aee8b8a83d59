"""The embedded S3-compatible object store: rclone serves a local folder."""

from . import environment, health, port_numbers, repository
from .instance import Instance
from .supervisor_config import Program


def program(instance: Instance) -> Program:
    port = instance.port_of(port_numbers.S3)
    # rclone reads any option from the environment, which other users cannot see. A repeatable
    # option is a line of CSV there, so the quotes protect the comma of this one.
    key = f'"{instance.secrets["store_access"]},{instance.secrets["store_secret"]}"'
    return Program(
        name="s3",
        command=[
            *(str(repository.tool("rclone")), "serve", "s3", str(instance.uploads)),
            *("--addr", f"127.0.0.1:{port}"),
            *("--config", ""),
            *("--cache-dir", str(instance.root / "run" / "rclone")),
            *("--log-level", "NOTICE"),
        ],
        environment={**environment.inherited_environment(), "RCLONE_AUTH_KEY": key},
        port=port,
        is_ready=lambda: health.http_status(f"http://127.0.0.1:{port}/") > 0,
    )
