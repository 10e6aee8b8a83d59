"""The parser of the upload form, in which a picture needs no file name.

Starlette treats a part of a form as a file only if it has a plain `filename`. Some clients send
only `filename*=UTF-8''a.png`, which RFC 7578 forbids, or no name at all. This parser treats the
part with the name `file` as a file in every case. The content decides which format it is.

This uses private attributes of Starlette (`Request._form`, `MultiPartParser._current_part`), whose
version is pinned. tests/media/test_api.py fails if they change.
"""

from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from python_multipart.multipart import parse_options_header
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

_FILE_PART = b"file"


class _Parser(MultiPartParser):
    def on_headers_finished(self) -> None:
        disposition = self._current_part.content_disposition or b""
        _, options = parse_options_header(disposition)
        if options.get(b"name") == _FILE_PART and b"filename" not in options:
            self._current_part.content_disposition = disposition + b'; filename=""'
        super().on_headers_finished()


class UploadRoute(APIRoute):
    """A route that parses a multipart form with the parser of this module."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_form(request: Request) -> Response:
            content_type, _ = parse_options_header(request.headers.get("content-type"))
            if content_type == b"multipart/form-data":
                try:
                    async with aclosing(request.stream()) as stream:
                        parser = _Parser(request.headers, stream, **self.form_limits)
                        request._form = await parser.parse()
                except MultiPartException as error:
                    raise HTTPException(400) from error
            return await handle(request)

        return handle_form
