"""`down` and `reset`: stopping all of it, and wiping its data."""

import contextlib
import shutil
from pathlib import Path

from . import orphans
from .health import wait_until
from .instance import Instance, is_ours
from .terminal import confirm, say, step

_EMBEDDED = ("postgres", "rabbitmq", "s3")
_CONTENTS = ("postgres", "rabbitmq", "uploads", "secrets.json", "admin.key", "logs", "run", "lock")
STOP_SECONDS = 40


def bring_down(instance: Instance) -> None:
    supervisor = instance.supervisor
    if not supervisor.answers():
        if orphans.find(instance.root):
            orphans.end(instance.root)
        else:
            say(f"Nothing of this instance ({instance.root}) runs.")
        return
    running = [process.name for process in supervisor.processes() if process.pid]
    ours = [name for name in running if is_ours(name)]
    embedded = [name for name in running if name in _EMBEDDED]
    # Those that need the database and the broker finish what they began before these go.
    name_server = [name for name in running if name == "epmd"]
    for what, names in (
        ("gateway and services", ours),
        ("the embedded parts", embedded),
        ("Erlang's name server", name_server),
    ):
        if names:
            with step(f"stopping {what}"):
                supervisor.stop(*names)
    with step("stopping the supervisor"):
        pid = supervisor.pid()
        supervisor.shutdown()
        wait_until(lambda: not _exists(pid), STOP_SECONDS, f"The end of supervisord ({pid})")
    orphans.end(instance.root)


def stop_services(instance: Instance) -> None:
    """Stops what is ours, and leaves the embedded parts."""
    supervisor = instance.supervisor
    if supervisor.answers():
        running = [process.name for process in supervisor.processes() if process.pid]
        if ours := [name for name in running if is_ours(name)]:
            with step("stopping gateway and services"):
                supervisor.stop(*ours)


def _exists(pid: int) -> bool:
    return bool(pid) and Path(f"/proc/{pid}").exists()


def reset(instance: Instance, *, sure: bool) -> None:
    """Raises Refused where nobody can be asked, or the answer is no."""
    if not instance.root.exists():
        say(f"There is nothing to wipe: {instance.root} does not exist.")
        return
    goes = [instance.root / name for name in _CONTENTS if (instance.root / name).exists()]
    # What the seeders keep holds people's keys.
    goes += [*instance.root.glob("import-*"), *instance.root.glob("demo.json")]
    if instance.embeds_store and instance.uploads not in goes:
        # A folder of the user's own may hold other things too.
        bucket = instance.uploads / instance.bucket
        goes += [bucket] if bucket.exists() else []
    say("This stops everything of this instance and wipes, for good:")
    for path in goes:
        say(f"  {path}  ({_size(path) / 1_000_000:.1f} MB)")
    if not instance.embeds_database:
        say("The database of your own (DB_HOST) stays as it is.")
    if not sure:
        confirm("reset")
    bring_down(instance)
    with step("wiping"):
        for path in goes:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        # Another instance may live in a folder within.
        instance.root.rmdir()


def _size(path: Path) -> int:
    within = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.lstat().st_size for file in within if file.is_file())
