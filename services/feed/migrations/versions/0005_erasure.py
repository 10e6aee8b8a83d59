"""Hidden and erased people, and the indexes that find their data.

While the index of likes is built, the tables are locked and the feed does not respond: about a
second for each million likes.
"""

from chassis.database.migrations import run_script
from chassis.privacy import erasure

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
