"""Where published files live: a folder, or a bucket of anything that speaks S3."""
