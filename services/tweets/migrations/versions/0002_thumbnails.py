"""Adds the thumbnails, sizes and descriptions of pictures."""

from chassis.database.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("""
        alter table media
            add column thumbnail text,
            add column width integer,
            add column height integer,
            add column alt text not null default '';
    """)
