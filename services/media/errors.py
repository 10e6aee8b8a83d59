"""What can go wrong with pictures, in words for people."""

from chassis.errors import Problem


class MediaNotFound(Problem):
    status = 404
    message = "There is no such picture."


class ImageTooLarge(Problem):
    status = 413
    message = "A picture has at most {bytes} bytes, {pixels} pixels and {frames} frames."


class ImageTooCostly(Problem):
    status = 413
    message = "This picture takes too much to be made ready: send a smaller or a simpler one."


class ImageNotAccepted(Problem):
    status = 415
    message = "This is not a picture that can be shown: send JPEG, PNG, WebP or GIF."


class AltNotAccepted(Problem):
    status = 422
    message = "A picture's description has at most {limit} characters, each of which can be shown."


class RangeNotSatisfiable(Problem):
    status = 416
    message = "The picture has no such part."
