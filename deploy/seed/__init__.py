"""The content for a fresh system, sent through the public API."""
