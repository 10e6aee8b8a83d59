"""`make backup` and `make restore`: the databases and the pictures, as they were at one moment.

The moment is a snapshot of PostgreSQL, which holds all four schemas. While a backup holds its lock,
media takes no removed picture from the store, so whatever the snapshot knows is there to be copied.
What was on its way through the broker is brought in from kept events: see docs/adr/0025.
"""

import asyncio
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from . import down, events, places, postgres, up
from .instance import Instance
from .terminal import Refused, confirm, say, step

DUMP, MANIFEST, PICTURES = "database.dump", "manifest.json", "pictures"
TEXTFILE = "warble_backup.prom"
_LOCK = "select pg_try_advisory_lock(hashtext('warble-backup'))"
_STORED = """
select name, size from media.media where removed_at is null
union all
select thumbnail, thumbnail_size from media.media where removed_at is null and thumbnail is not null
"""
_STILL = "select count(*) from media.media where removed_at is null and $1 in (name, thumbnail)"


def back_up(instance: Instance, folder: Path) -> Path:
    """Makes a backup in a folder of its own below this one; gives it. Raises Refused."""
    begun = datetime.now(UTC)
    unfinished = folder / f"{begun:%Y-%m-%dT%H%M%SZ}.unfinished"
    (unfinished / PICTURES).mkdir(mode=0o700, parents=True)
    asyncio.run(_back_up(instance, unfinished, _latest(folder)))
    done = unfinished.with_suffix("")
    unfinished.rename(done)
    # Written whole and then put in place, for node_exporter to read.
    draft = folder / f"{TEXTFILE}.tmp"
    draft.write_text(f"warble_backup_timestamp_seconds {time.time():.0f}\n")
    draft.replace(folder / TEXTFILE)
    return done


def _latest(folder: Path) -> Path | None:
    made = sorted(path.parent for path in folder.glob(f"*Z/{MANIFEST}"))
    return made[-1] if made else None


async def _back_up(instance: Instance, folder: Path, before: Path | None) -> None:
    async with postgres.connected(instance.database()) as holding:
        if not await holding.fetchval(_LOCK):
            raise Refused("Another backup is at work.")
        async with holding.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await holding.fetchval("select pg_export_snapshot()")
            sizes = dict(await holding.fetch(_STORED))
            with step("databases"):
                await asyncio.to_thread(_dump, instance, snapshot, folder / DUMP)
        with step(f"{len(sizes):,} pictures"):
            await asyncio.to_thread(_copy, instance, sizes, folder / PICTURES, before)
        lacking = _lacking(folder / PICTURES, sizes)
        for name in lacking:
            # A person who was erased meanwhile takes the pictures along, backup or not.
            if await holding.fetchval(_STILL, name):
                raise Refused(f"The store did not give {name}, which has a record.")
    manifest = {
        "database": _digest(folder / DUMP),
        "pictures": {name: size for name, size in sizes.items() if name not in lacking},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))


def _dump(instance: Instance, snapshot: str, file: Path) -> None:
    schemas = [f"--schema={service}" for service in places.SERVICES]
    postgres.dump(instance, file, f"--snapshot={snapshot}", *schemas)


def _copy(instance: Instance, sizes: dict[str, int], to: Path, before: Path | None) -> None:
    """A picture never changes: one that the last backup has is shared with it on the disk."""
    wanted = []
    for name, size in sizes.items():
        known = before / PICTURES / name if before else None
        if known is not None and known.is_file() and known.stat().st_size == size:
            os.link(known, to / name)
        else:
            wanted.append(name)
    _rclone(instance, wanted, f"store:{instance.bucket}", str(to))


def _rclone(instance: Instance, names: Sequence[str], source: str, target: str) -> None:
    store = instance.service_environment("media")
    secure = store.get("MEDIA_S3_SECURE", "false").lower() in ("true", "1", "yes")
    environment = {
        **places.plain_environment(),
        "RCLONE_CONFIG": "",
        "RCLONE_CONFIG_STORE_TYPE": "s3",
        "RCLONE_CONFIG_STORE_PROVIDER": "Other",
        "RCLONE_CONFIG_STORE_ENDPOINT": f"http{'s' * secure}://{store['MEDIA_S3_ENDPOINT']}",
        "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": store["MEDIA_S3_ACCESS_KEY"],
        "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": store["MEDIA_S3_SECRET_KEY"],
        "RCLONE_CONFIG_STORE_REGION": store.get("MEDIA_S3_REGION", "us-east-1"),
    }
    copying = [
        str(places.tool("rclone")), "copy", source, target, "--files-from-raw", "-",
        "--no-traverse", "--stats-one-line", "--stats=5s",
        "--stats-log-level=NOTICE", "--log-level=NOTICE",
    ]  # fmt: skip
    done = subprocess.run(copying, env=environment, input="\n".join(names), text=True, check=False)
    if done.returncode:
        raise Refused(f"rclone ended with {done.returncode}: see above.")


def _lacking(folder: Path, sizes: dict[str, int]) -> set[str]:
    return {
        name
        for name, size in sizes.items()
        if not (folder / name).is_file() or (folder / name).stat().st_size != size
    }


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def restore(instance: Instance, folder: Path, *, sure: bool) -> None:
    """Replaces all that the instance has by a backup. Raises Refused; then all is as it was.

    The gateway and the services are stopped meanwhile, and started in the end.
    """
    pictures = _checked(folder)
    say(f"This replaces everything in this instance ({instance.root}) by the backup {folder}.")
    if not sure:
        confirm("restore")
    down.stop_services(instance)
    up.bring_up(instance, only_infra=True)
    with step(f"{len(pictures):,} pictures"):
        _rclone(instance, list(pictures), str(folder / PICTURES), f"store:{instance.bucket}")
    with step("databases"):
        schemas = ", ".join((*places.SERVICES, "feed_fresh"))
        postgres.load(instance, folder / DUMP, f"drop schema if exists {schemas} cascade;")
        postgres.bootstrap(instance)
    # What the broker holds is of another history, whose numbers this one will give again.
    for service in places.SERVICES:
        events.forget(instance, service)
    for service in places.SERVICES:
        if events.reacts(service):
            events.take_in_missed(instance, service)
    up.bring_up(instance, only_infra=False)


def _checked(folder: Path) -> dict[str, int]:
    """The pictures of a backup that is whole. Raises Refused."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        whole = manifest["database"] == _digest(folder / DUMP)
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{folder} is no backup that was finished ({error}).") from error
    pictures: dict[str, int] = manifest["pictures"]
    if not whole or _lacking(folder / PICTURES, pictures):
        raise Refused(f"The backup {folder} is damaged: its parts are not what its manifest says.")
    return pictures
