"""People: their names, keys and sessions, and whom they follow."""
