"""`down` and `reset`: stop the system; delete its data."""

import contextlib
import shutil
from pathlib import Path

import psutil

from operate.terminal import confirm, say, step

from . import orphans
from .health import wait_until
from .instance import Instance, is_application

_EMBEDDED = ("postgres", "rabbitmq", "s3")
_CONTENTS = ("postgres", "rabbitmq", "uploads", "secrets.json", "admin.key", "logs", "run", "lock")
STOP_SECONDS = 40


def bring_down(instance: Instance) -> None:
    """Stops the services first: they finish their work while database and broker still run."""
    supervisor = instance.supervisor
    if not supervisor.is_running():
        if orphans.find(instance.root):
            orphans.stop_all(instance.root)
        else:
            say(f"Nothing of this instance ({instance.root}) is running.")
        return
    running = [process.name for process in supervisor.processes() if process.pid]
    for title, names in (
        ("gateway and services", [name for name in running if is_application(name)]),
        ("embedded servers", [name for name in running if name in _EMBEDDED]),
        ("Erlang's name server", [name for name in running if name == "epmd"]),
    ):
        if names:
            with step(f"stopping {title}"):
                supervisor.stop(*names)
    with step("stopping the supervisor"):
        pid = supervisor.pid()
        supervisor.shutdown()
        wait_until(
            lambda: not (pid and psutil.pid_exists(pid)),
            STOP_SECONDS,
            f"The end of supervisord ({pid})",
        )
    orphans.stop_all(instance.root)


def stop_services(instance: Instance) -> None:
    """Stops the gateway and the services; the embedded servers keep running."""
    supervisor = instance.supervisor
    if supervisor.is_running():
        running = [process.name for process in supervisor.processes() if process.pid]
        if names := [name for name in running if is_application(name)]:
            with step("stopping gateway and services"):
                supervisor.stop(*names)


def reset(instance: Instance, *, confirmed: bool) -> None:
    """Stops everything and deletes the data. Asks for a confirmation unless `confirmed`.

    Raises CommandFailed if the answer is no or there is no terminal to ask on.
    """
    if not instance.root.exists():
        say(f"There is nothing to delete: {instance.root} does not exist.")
        return
    doomed = [instance.root / name for name in _CONTENTS if (instance.root / name).exists()]
    # The files of the seed tools contain people's keys.
    doomed += [*instance.root.glob("import-*"), *instance.root.glob("demo.json")]
    if instance.embeds_store and instance.uploads not in doomed:
        # UPLOAD_DIR may hold other files too, so only the bucket is deleted there.
        bucket = instance.uploads / instance.bucket
        doomed += [bucket] if bucket.exists() else []
    say("This stops the system and permanently deletes:")
    for path in doomed:
        say(f"  {path}  ({_size(path) / 1_000_000:.1f} MB)")
    if not instance.embeds_database:
        say("Your own database (DB_HOST) stays unchanged.")
    if not confirmed:
        confirm("reset")
    bring_down(instance)
    with step("deleting"):
        for path in doomed:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        # The folder stays if it is not empty: another instance may live in a subfolder.
        instance.root.rmdir()


def _size(path: Path) -> int:
    """In bytes, of a file or of all files in a folder."""
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in files if file.is_file())
