"""What is broken: a noun a file. Importing them enters each into the table."""

from . import failpoints, processes

__all__ = ["failpoints", "processes"]
