"""What people attach: pictures, cleaned and kept in an S3 store, and their records."""
