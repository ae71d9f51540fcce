"""repo_tools: makes and keeps the signed repository that updog reads."""
