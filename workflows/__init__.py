"""workflows: files in, files out."""
