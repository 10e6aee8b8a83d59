"""What can go wrong with people, in words for people."""

from chassis.errors import Problem


class UserNotFound(Problem):
    status = 404
    message = "There is no such person."


class CannotFollowYourself(Problem):
    status = 409
    message = "Nobody can follow themselves."


class CannotDeactivateYourself(Problem):
    status = 409
    message = "An administrator cannot deactivate themselves: ask another one."


class NotYourself(Problem):
    status = 403
    message = "Only the person and an administrator may have a person erased."


class CannotEraseYourself(Problem):
    status = 409
    message = "An administrator cannot erase themselves: ask another one."


class NameNotConfirmed(Problem):
    status = 409
    message = "This is not the person's name. Erasing cannot be undone: give the name as it stands."


class NotYourName(Problem):
    status = 403
    message = "Only the person and an administrator may change a name."


class NotYourKeys(Problem):
    status = 403
    message = "Only the person and an administrator may see and change a person's keys."


class ScopeTooWide(Problem):
    status = 403
    message = "A key makes and ends none that may do more than itself."


class TooManyKeys(Problem):
    status = 409
    message = "A person has at most {limit} keys: revoke one that is not needed."


class NameNotAccepted(Problem):
    status = 422
    message = "A name has 1 to {limit} characters, at least one of them visible."


class KeyNotFound(Problem):
    status = 404
    message = "There is no such key."


class KeyEnded(Problem):
    status = 404
    message = "This key was revoked, or its time is over."


class KeyTaken(Problem):
    status = 409
    message = "This key belongs to someone else."
