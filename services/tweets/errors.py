"""What can go wrong with tweets, in words for people."""

from chassis.errors import Problem


class TweetNotFound(Problem):
    status = 404
    message = "There is no such tweet."


class NotTheAuthor(Problem):
    status = 403
    message = "Only the author may delete a tweet."


class TweetEmpty(Problem):
    status = 422
    message = "A tweet needs some text."


class TweetTooLong(Problem):
    status = 422
    message = "A tweet has at most {limit} characters."


class TextNotAccepted(Problem):
    status = 422
    message = "The text holds a character that cannot be shown."


class IdempotencyKeyReused(Problem):
    status = 422
    message = "This Idempotency-Key was used for another tweet."


class TweetAlreadyDeleted(Problem):
    status = 409
    message = (
        "The tweet that was posted under this key was deleted. Post it again under another key."
    )


class TooManyImages(Problem):
    status = 422
    message = "A tweet has at most {limit} pictures."


class MediaNotFound(Problem):
    status = 404
    message = "There is no such picture: upload it again."


class NotYourMedia(Problem):
    status = 403
    message = "This picture was uploaded by someone else."


class MediaTaken(Problem):
    status = 409
    message = "This picture is on a tweet already."
