"""What several routes need to describe and to write their responses."""

from typing import Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict


class PersonView(BaseModel):
    id: int
    name: str


def example(example: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


def json_response(body: bytes) -> Response:
    return Response(body, media_type="application/json")
