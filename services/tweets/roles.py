"""The roles that tweets knows. Users gives them to people, and an identity names them."""

from typing import Annotated

from chassis.auth.identity import Identity, require_role

from .errors import NotAModerator, NotAnAnnouncer

MODERATOR = "moderator"
ANNOUNCER = "announcer"

Moderator = Annotated[Identity, require_role(MODERATOR, NotAModerator)]
Announcer = Annotated[Identity, require_role(ANNOUNCER, NotAnAnnouncer)]
