"""The errors of tweets. The messages are shown to people."""

from chassis.http.errors import Problem


class NotAModerator(Problem):
    status = 403
    message = "Only moderators can do this."


class NotAnAnnouncer(Problem):
    status = 403
    message = "Only people who may post announcements can do this."


class TweetNotFound(Problem):
    status = 404
    message = "This tweet doesn't exist."


class RepliesRestricted(Problem):
    status = 403
    message = "The author has limited who can reply to this tweet."


class NotTheAuthor(Problem):
    status = 403
    message = "You can delete only your own tweets."


class TweetNotHidden(Problem):
    status = 404
    message = "This tweet isn't hidden."


class ReportedPersonNotFound(Problem):
    status = 404
    message = "This person doesn't exist."


class CannotReportYourself(Problem):
    status = 409
    message = "You can't report yourself or your own tweets."


class ReportNotFound(Problem):
    status = 404
    message = "This report doesn't exist."


class ReportAlreadyClosed(Problem):
    status = 409
    message = "This report is already closed."


class AnnouncementNotFound(Problem):
    status = 404
    message = "This announcement doesn't exist."


class NotYourAnnouncement(Problem):
    status = 403
    message = "Only the author of the announcement and administrators can do this."


class AnnouncementPeriodNotAccepted(Problem):
    status = 422
    message = "An announcement must end in the future, within {limit} days."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.details = {"limit": limit}


class AnnouncementEnded(Problem):
    status = 409
    message = "This announcement has ended."


class NothingToAcknowledge(Problem):
    status = 409
    message = "This announcement doesn't ask people to confirm that they have read it."


class RemindedRecently(Problem):
    status = 409
    message = "People were reminded less than an hour ago."


class NotYourTweet(Problem):
    status = 403
    message = "You can pin only your own tweets."


class TooManyPins(Problem):
    status = 409
    message = "You can pin up to {limit} tweets."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.details = {"limit": limit}


class TweetEmpty(Problem):
    status = 422
    message = "A tweet needs some text."


class TweetTooLong(Problem):
    status = 422
    message = "A tweet can have up to {limit} characters."


class TextNotAccepted(Problem):
    status = 422
    message = "The text has characters that aren't allowed."


class IdempotencyKeyReused(Problem):
    status = 422
    message = "This Idempotency-Key was already used for a different tweet."


class TweetAlreadyDeleted(Problem):
    status = 409
    message = (
        "The tweet that was posted with this key has been deleted. To post it again, use a new key."
    )


class TooManyImages(Problem):
    status = 422
    message = "A tweet can have up to {limit} pictures."


class MentionNotAccepted(Problem):
    status = 422
    message = (
        "A mention must be a part of the text that begins with @, must not overlap another one, and"
        " must name a person who exists."
    )


class TooManyMentions(Problem):
    status = 422
    message = "A tweet can mention up to {limit} people."


class TagNotAccepted(Problem):
    status = 422
    message = "A hashtag has letters, digits and underscores, at least one letter, and no spaces."


class TooManyTags(Problem):
    status = 422
    message = "You can follow up to {limit} hashtags."


class MediaNotFound(Problem):
    status = 404
    message = "This picture doesn't exist. Upload it again."


class NotYourMedia(Problem):
    status = 403
    message = "Someone else uploaded this picture. You can attach only your own pictures."


class MediaTaken(Problem):
    status = 409
    message = "This picture is already attached to a tweet."
