"""Adds `media` to the cards of old tweets, whose events have the URLs of pictures only."""

from chassis.database.migrations import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("""
        update tweet set card = card || ',"media":[' || coalesce(
            (
                select string_agg(
                    '{"url":' || path || ',"thumbnail":' || path
                        || ',"width":null,"height":null,"alt":""}',
                    ',' order by place
                )
                from json_array_elements(('{' || card || '}')::json -> 'attachments')
                    with ordinality as attachment (path, place)
            ),
            ''
        ) || ']'
        where card is not null;
    """)
