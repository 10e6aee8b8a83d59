"""What can go wrong with pictures, in words for people."""

import math

from chassis.errors import PayloadTooLarge, Problem, megabytes


class MediaNotFound(Problem):
    status = 404
    message = "There is no such picture."


class ImageTooLarge(PayloadTooLarge):
    message = "The picture has {actual}; at most {limit} are accepted."


class ImageTooManyPixels(Problem):
    status = 413
    message = (
        "The picture has {actual} million pixels, all frames of an animation together;"
        " at most {limit} million are accepted."
    )

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=f"{limit / 1e6:,.6g}", actual=f"{math.ceil(actual / 1e5) / 10:,.6g}")
        self.details = {"limit": limit, "actual": actual}


class ImageTooManyFrames(Problem):
    status = 413
    message = "The animation has {actual} frames; at most {limit} are accepted."

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=limit, actual=actual)
        self.details = {"limit": limit, "actual": actual}


class ImageTooCostly(Problem):
    status = 413
    message = (
        "To process this picture would take more than {memory} of memory, {seconds} seconds of CPU"
        " time or {stored} of storage: send a smaller or a simpler one."
    )

    def __init__(self, memory_bytes: int, seconds: int, stored_bytes: int) -> None:
        super().__init__(
            memory=megabytes(memory_bytes), seconds=seconds, stored=megabytes(stored_bytes)
        )
        self.details = {
            "memory_bytes": memory_bytes,
            "seconds": seconds,
            "stored_bytes": stored_bytes,
        }


class ImageNotAccepted(Problem):
    status = 415
    message = "This is not a picture that can be shown: send JPEG, PNG, WebP or GIF."


class AltNotAccepted(Problem):
    status = 422
    message = "A picture's description has at most {limit} characters, each of which can be shown."


class RangeNotSatisfiable(Problem):
    status = 416
    message = "The picture has no such part."
