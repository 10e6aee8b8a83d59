"""`backup` and `restore`: databases and pictures as they were at one moment.

The moment is a snapshot of PostgreSQL, which holds the schemas of all services. pg_dump reads
that snapshot, so the schemas are consistent with each other. The pictures are in the object store,
which has no snapshots. Two facts make them consistent anyway: a stored picture never changes, and
media deletes no file from the store while a backup holds its advisory lock. So every picture that
the snapshot knows can still be copied. Messages that were in the broker are not saved: a restore
empties the queues and applies the stored events that each service lacks. See docs/adr/0025.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import postgres, stored_events
from .installation import OWNER, Installation
from .terminal import CommandFailed, confirm, say, step

DUMP, MANIFEST, PICTURES = "database.dump", "manifest.json", "pictures"
TEXTFILE = "warble_backup.prom"
_LOCK = "select pg_try_advisory_lock(hashtext('warble-backup'))"
_STORED_FILES = """
select name, size from media.media where removed_at is null
union all
select thumbnail, thumbnail_size from media.media where removed_at is null and thumbnail is not null
"""
_CONNECTED = """
select array_agg(distinct usename::text) from pg_stat_activity
where datname = current_database() and usename = any($1)
"""
_EXISTS = "select count(*) from media.media where removed_at is null and $1 in (name, thumbnail)"


def back_up(installation: Installation, folder: Path) -> Path:
    """Returns the backup, a new subfolder named by the time. Raises CommandFailed.

    Until it is complete, its name ends in `.unfinished`.
    """
    started_at = datetime.now(UTC)
    unfinished = folder / f"{started_at:%Y-%m-%dT%H%M%SZ}.unfinished"
    (unfinished / PICTURES).mkdir(mode=0o700, parents=True)
    asyncio.run(_back_up(installation, unfinished, _latest(folder)))
    finished = unfinished.with_suffix("")
    unfinished.rename(finished)
    # A metric for node_exporter's textfile collector, renamed so that it never reads half of it.
    draft = folder / f"{TEXTFILE}.tmp"
    draft.write_text(f"warble_backup_timestamp_seconds {time.time():.0f}\n")
    draft.replace(folder / TEXTFILE)
    return finished


def _latest(folder: Path) -> Path | None:
    backups = sorted(path.parent for path in folder.glob(f"*Z/{MANIFEST}"))
    return backups[-1] if backups else None


async def _back_up(installation: Installation, folder: Path, previous: Path | None) -> None:
    environments = installation.environments
    schemas = [f"--schema={service}" for service in installation.services]
    async with postgres.connect(environments[OWNER]) as connection:
        if not await connection.fetchval(_LOCK):
            raise CommandFailed("Another backup is running. Wait for it to finish.")
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("select pg_export_snapshot()")
            sizes = dict(await connection.fetch(_STORED_FILES))
            with step("databases"):
                options = (f"--snapshot={snapshot}", *schemas)
                await asyncio.to_thread(postgres.dump, environments, folder / DUMP, *options)
        with step(f"{len(sizes):,} pictures"):
            store = environments["media"]
            await asyncio.to_thread(_copy_pictures, store, sizes, folder / PICTURES, previous)
        missing = _missing_pictures(folder / PICTURES, sizes)
        for name in missing:
            # An erasure deletes a person's pictures even while a backup holds its lock.
            if await connection.fetchval(_EXISTS, name):
                raise CommandFailed(
                    f"The picture {name} has a record but could not be copied from the store."
                )
    manifest = {
        "database": _digest(folder / DUMP),
        "pictures": {name: size for name, size in sizes.items() if name not in missing},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _copy_pictures(
    store: Mapping[str, str], sizes: dict[str, int], target: Path, previous: Path | None
) -> None:
    """Hard-links pictures from the previous backup, since they never change; copies the others."""
    to_copy = []
    for name, size in sizes.items():
        saved = previous / PICTURES / name if previous else None
        if saved is not None and saved.is_file() and saved.stat().st_size == size:
            os.link(saved, target / name)
        else:
            to_copy.append(name)
    _rclone(store, to_copy, f"store:{store['MEDIA_S3_BUCKET']}", str(target))


def _rclone(store: Mapping[str, str], names: Sequence[str], source: str, target: str) -> None:
    secure = store.get("MEDIA_S3_SECURE", "false").lower() in ("true", "1", "yes")
    variables = {
        **postgres.minimal_environment(),
        **{name: value for name, value in store.items() if name.startswith("SSL_")},
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENDPOINT": f"http{'s' * secure}://{store['MEDIA_S3_ENDPOINT']}",
        "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": store["MEDIA_S3_ACCESS_KEY"],
        "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": store["MEDIA_S3_SECRET_KEY"],
        "RCLONE_CONFIG_STORE_REGION": store.get("MEDIA_S3_REGION", "us-east-1"),
    }
    command = [
        str(Path(sys.executable).parent / "rclone"), "copy", source, target,
        "--files-from-raw", "-", "--no-traverse", "--stats-one-line", "--stats=5s",
        "--stats-log-level=NOTICE", "--log-level=NOTICE",
    ]  # fmt: skip
    result = subprocess.run(command, env=variables, input="\n".join(names), text=True, check=False)
    if result.returncode:
        raise CommandFailed(
            f"rclone failed with exit code {result.returncode}; its errors are printed above."
        )


def _missing_pictures(folder: Path, sizes: dict[str, int]) -> set[str]:
    """The names of files that do not exist or have another size."""
    return {
        name
        for name, size in sizes.items()
        if not (folder / name).is_file() or (folder / name).stat().st_size != size
    }


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def restore(installation: Installation, folder: Path, *, confirmed: bool) -> None:
    """Replaces all data of the installation by a backup. No service may run meanwhile.

    Raises CommandFailed, before anything has changed if the backup is damaged, if nobody confirms,
    or if a service still uses the database.
    """
    pictures = _checked_pictures(folder)
    environments, services = installation.environments, installation.services
    say(f"This replaces all data in {_address(environments[OWNER])} by the backup {folder}.")
    if not confirmed:
        confirm("restore")
    with installation.stopped():
        asyncio.run(_refuse_while_services_run(installation))
        with step(f"{len(pictures):,} pictures"):
            store = environments["media"]
            bucket = f"store:{store['MEDIA_S3_BUCKET']}"
            _rclone(store, list(pictures), str(folder / PICTURES), bucket)
        with step("databases"):
            # `<service>_fresh` is the shadow schema of a rebuild
            # (chassis/projections/shadow_schema.py).
            schemas = ", ".join(f"{service}, {service}_fresh" for service in services)
            drop = f"drop schema if exists {schemas} cascade;"
            postgres.load(environments, folder / DUMP, drop)
            postgres.bootstrap(environments)
        # The messages in the broker belong to the replaced data, and the restored services will
        # assign their event ids again.
        for service in services:
            installation.run(service, "chassis", "migrate", f"services.{service}")
            installation.run(service, "chassis", "purge", f"services.{service}")
        for service in filter(stored_events.has_handlers, services):
            stored_events.apply(installation, service, "backfill")


def _address(database: Mapping[str, str]) -> str:
    return f"the database {database['DB_NAME']} at {database['DB_HOST']} and in the bucket"


async def _refuse_while_services_run(installation: Installation) -> None:
    """Raises CommandFailed. A process that has just ended may stay connected for a moment."""
    async with postgres.connect(installation.environments[OWNER]) as connection:
        for _ in range(50):
            connected = await connection.fetchval(_CONNECTED, installation.services)
            if not connected:
                return
            await asyncio.sleep(0.1)
    raise CommandFailed(
        f"These services still use the database: {', '.join(connected)}. Stop the gateway and all "
        "services, and run the command again. Nothing was changed."
    )


def _checked_pictures(folder: Path) -> dict[str, int]:
    """The sizes of a backup's pictures by name. Raises CommandFailed if a file is damaged."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        is_intact = manifest["database"] == _digest(folder / DUMP)
    except (OSError, ValueError, KeyError) as error:
        raise CommandFailed(f"{folder} is not a complete backup ({error}).") from error
    pictures: dict[str, int] = manifest["pictures"]
    if not is_intact or _missing_pictures(folder / PICTURES, pictures):
        raise CommandFailed(f"The backup {folder} is damaged: its files do not match its manifest.")
    return pictures
