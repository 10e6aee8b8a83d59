"""Computes the search form of every name again: it now also has the name in Latin letters.

The code of the previous version works with the result. A name that it writes during an upgrade
keeps the old search form until the name is changed again.
"""

from alembic import op
from sqlalchemy import text

from services.users.names import search_form  # noqa: TID251  Alembic loads a revision by its path

revision = "0008"
down_revision = "0007"

_BATCH = text("select id, name, folded from person where id > :after order by id limit 1000")
# If a person is renamed at the same moment, the search form of the new name stays.
_UPDATE = text("""
update person set folded = changed.folded
from unnest(cast(:ids as bigint[]), cast(:before as text[]), cast(:folded as text[]))
    as changed (id, before, folded)
where person.id = changed.id and person.folded = changed.before
""")


def upgrade() -> None:
    connection = op.get_bind()
    after = 0
    while people := connection.execute(_BATCH, {"after": after}).all():
        changed = [
            (person.id, person.folded, folded)
            for person in people
            if (folded := search_form(person.name)) != person.folded
        ]
        if changed:
            ids, before, forms = (list(column) for column in zip(*changed, strict=True))
            connection.execute(_UPDATE, {"ids": ids, "before": before, "folded": forms})
        after = people[-1].id
