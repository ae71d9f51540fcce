"""The Debian package: what goes into it, and where. Its data files are in `packaging/debian`."""
