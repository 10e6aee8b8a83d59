"""People who are hidden or erased, and what it takes to find what is theirs.

The feed stands still while the index of likes is built: about a second for each million of them.
"""

from chassis import erasure
from chassis.database import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("""
        alter table person add column hidden boolean not null default false;
        create index person_hidden on person (id) where hidden;
        create index follow_followed on follow (followed_id);
        create index like_by_user on tweet_like (user_id);

        create function notify_former_reader() returns trigger language plpgsql as
        $$ begin
            perform pg_notify(tg_table_schema || '_changes', 'reader ' || old.follower_id);
            return null;
        end $$;
        create trigger follow_ended_notifies_pages after delete on follow
            for each row execute function notify_former_reader();
    """)
