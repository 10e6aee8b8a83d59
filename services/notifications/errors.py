"""The errors that the notifications API reports to clients."""

from chassis.http.errors import Problem


class NotificationNotFound(Problem):
    status = 404
    message = "This notification doesn't exist any more."


class TweetNotFound(Problem):
    status = 404
    message = "This tweet doesn't exist."


class UserNotFound(Problem):
    status = 404
    message = "This person doesn't exist, or has left."


class CannotWatchYourself(Problem):
    status = 409
    message = "You can't watch yourself."


class TooManyWatched(Problem):
    status = 422
    message = "You can watch up to {limit} people."


class TooManyThreads(Problem):
    status = 422
    message = "You can follow and mute up to {limit} threads."
