"""Reactions to events of other services: they keep the copy of each person's picture, and write
what moderators did into the audit log.

The handlers commute: a picture has the version of its event, and an erased person gets none. Each
event adds one entry to the audit log at most, since each is handled once.
"""

from chassis.database.session import AnySession, fetch
from chassis.messaging.subscriptions import Subscriptions

from . import audit
from .audit import AuditAction
from .events import ModerationActed, PersonPictured

subscriptions = Subscriptions("users", sources=("tweets", "media"))

_SET_PICTURE = """
update person set picture = $2::text::jsonb, picture_version = $3
where id = $1 and erased_at is null and coalesce(picture_version, 0) < $3
"""


@subscriptions.on(PersonPictured)
async def on_person_pictured(session: AnySession, event: PersonPictured, version: int) -> None:
    picture = event.picture and event.picture.model_dump_json()
    await fetch(session, _SET_PICTURE, event.user_id, picture, version)
    if event.actor_id != event.user_id:
        await audit.record_event(
            session, AuditAction.picture_changed, event.user_id, event.actor_id
        )


@subscriptions.on(ModerationActed)
async def on_moderation_acted(session: AnySession, event: ModerationActed, version: int) -> None:
    action = AuditAction(event.action)
    await audit.record_event(session, action, event.subject_id, event.actor_id, event.object_id)
