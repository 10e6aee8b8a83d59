"""Creates the audit log, whose rows can be neither changed nor removed."""

from chassis.database.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # The owner of a table can grant itself every right again. The triggers work even then.
    run_script("""
        create table act (
            id bigint generated always as identity primary key,
            at timestamptz not null default now(),
            actor_id bigint,
            deed text not null,
            subject_id bigint not null,
            request_id text
        );
        create function refuse_change() returns trigger language plpgsql as
        $$ begin raise insufficient_privilege using message = 'what was done stays'; end $$;
        create trigger act_stays before update or delete on act
            for each row execute function refuse_change();
        create trigger acts_stay before truncate on act
            for each statement execute function refuse_change();
        revoke update, delete, truncate on act from current_user;
    """)
