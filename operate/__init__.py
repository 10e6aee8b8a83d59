"""The operators' commands, the same with and without containers: see docs/operations.md."""
