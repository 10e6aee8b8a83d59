"""Pictures that people upload: re-encoded files in an S3 store, and their records."""
