"""The HTTP API of the notifications."""

from fastapi import APIRouter

router = APIRouter()
