"""Creates the tables of people, keys and follows."""

from chassis.database.migrations import run_script
from chassis.messaging import outbox

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_script(outbox.CREATE)
    run_script("""
        create table person (
            id bigint generated always as identity primary key,
            name varchar not null,
            folded varchar not null,
            administrator boolean not null default false,
            follower_count integer not null default 0,
            following_count integer not null default 0,
            created_at timestamptz not null default now(),
            deactivated_at timestamptz
        );
        create index person_folded on person using gin (folded gin_trgm_ops);
        create index person_popular on person (follower_count desc, id desc)
            where deactivated_at is null;

        create table api_key (
            digest bytea primary key,
            user_id bigint not null references person,
            created_at timestamptz not null default now(),
            revoked_at timestamptz
        );
        create index ix_api_key_user_id on api_key (user_id);

        create table follow (
            follower_id bigint not null references person,
            followed_id bigint not null references person,
            active boolean not null,
            version bigint not null,
            primary key (follower_id, followed_id)
        );
        create index follow_followers on follow (followed_id, version desc) where active;
        create index follow_following on follow (follower_id, version desc) where active;
    """)
