"""Adds replies, followed hashtags, and copies of names and follows.

Mentions and replies need the copies. Events that are published from now on fill them; for earlier
events, see `backfill` in docs/operations.md.
"""

from chassis.database.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("""
        alter table tweet
            add column replies text not null default 'everyone',
            add column parent_id bigint,
            add column root_id bigint,
            add column depth integer not null default 0,
            add column ancestors bigint[] not null default '{}',
            add column self_replies integer not null default 0;

        create table person (
            id bigint primary key,
            name text not null,
            folded text not null,
            active boolean not null default true,
            version bigint not null
        );
        create index person_by_name on person (folded, id) where active;

        create table follow (
            follower_id bigint,
            followed_id bigint,
            active boolean not null,
            version bigint not null,
            primary key (follower_id, followed_id)
        );
        create index follow_by_followed on follow (followed_id);

        create table tag_follow (
            user_id bigint,
            tag text,
            active boolean not null,
            version bigint not null,
            primary key (user_id, tag)
        );
    """)
