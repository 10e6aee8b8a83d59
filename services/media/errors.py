"""The errors of media. The messages are shown to people."""

import math

from chassis.http.errors import PayloadTooLarge, Problem, format_bytes


class MediaNotFound(Problem):
    status = 404
    message = "This picture doesn't exist."


class ImageTooLarge(PayloadTooLarge):
    message = "This picture is {actual}. The limit is {limit}."


class ImageTooManyPixels(Problem):
    status = 413
    message = (
        "This picture has {actual} million pixels, counting all frames of an animation."
        " The limit is {limit} million."
    )

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=f"{limit / 1e6:,.6g}", actual=f"{math.ceil(actual / 1e5) / 10:,.6g}")
        self.details = {"limit": limit, "actual": actual}


class ImageTooManyFrames(Problem):
    status = 413
    message = "This animation has {actual} frames. The limit is {limit}."

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=limit, actual=actual)
        self.details = {"limit": limit, "actual": actual}


class ImageTooCostly(Problem):
    status = 413
    message = (
        "This picture is too complex: it needs more than {memory} of memory, {seconds} seconds of"
        " CPU time or {stored} of storage. Send a smaller one."
    )

    def __init__(self, memory_bytes: int, seconds: int, stored_bytes: int) -> None:
        super().__init__(
            memory=format_bytes(memory_bytes), seconds=seconds, stored=format_bytes(stored_bytes)
        )
        self.details = {
            "memory_bytes": memory_bytes,
            "seconds": seconds,
            "stored_bytes": stored_bytes,
        }


class ImageNotAccepted(Problem):
    status = 415
    message = "This file can't be opened as a picture. Send a JPEG, PNG, WebP or GIF."


class AltNotAccepted(Problem):
    status = 422
    message = (
        "A picture's description can have up to {limit} characters, and no control characters."
    )


class NotYourPicture(Problem):
    status = 403
    message = "You can change only your own picture, unless you're an administrator."


class SquareNotAccepted(Problem):
    status = 422
    message = "The square must lie inside the picture. Send x, y and size together, in pixels."


class RangeNotSatisfiable(Problem):
    status = 416
    message = "The picture doesn't have the requested bytes."
