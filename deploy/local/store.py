"""The embedded S3 store."""

from . import health, places
from .instance import Instance
from .programs import Program


def program(instance: Instance) -> Program:
    port = instance.offset(places.S3)
    # rclone takes any of its options from the environment, where other users cannot read them. An
    # option that may be repeated is a line of CSV there, so this one has quotes around its comma.
    key = f'"{instance.secrets["store_access"]},{instance.secrets["store_secret"]}"'
    return Program(
        name="s3",
        command=[
            str(places.tool("rclone")),
            "serve",
            "s3",
            str(instance.uploads),
            "--addr",
            f"127.0.0.1:{port}",
            "--config",
            "",
            "--cache-dir",
            str(instance.root / "run" / "rclone"),
            "--log-level",
            "NOTICE",
        ],
        environment={**places.plain_environment(), "RCLONE_AUTH_KEY": key},
        port=port,
        ready=lambda: health.answers_http(f"http://127.0.0.1:{port}/") > 0,
    )
