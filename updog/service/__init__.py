"""The update service: one machine's updates behind HTTP on a Unix socket (formats 10)."""
