"""What is broken: a noun a file. Importing them enters each into the table."""

from . import processes

__all__ = ["processes"]
