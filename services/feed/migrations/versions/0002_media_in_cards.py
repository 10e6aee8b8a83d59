"""Every card tells of its pictures; of those before, only where they are."""

from chassis.database import run_script

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
