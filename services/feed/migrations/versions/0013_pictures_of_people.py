"""Adds the picture of each person, which pages show beside the name."""

from chassis.database.migrations import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_script("""
        alter table person
            add column picture text,
            add column picture_version bigint not null default 0;
        create function notify_pictures() returns trigger language plpgsql as
        $$ begin
            perform pg_notify(tg_table_schema || '_changes', 'person ' || new.id);
            return null;
        end $$;
        create trigger new_picture_notifies_pages after insert on person
            for each row when (new.picture is not null) execute function notify_pictures();
        create trigger picture_notifies_pages after update on person
            for each row when (new.picture is distinct from old.picture)
            execute function notify_pictures();
    """)
