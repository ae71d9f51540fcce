"""Keeping a published repository alive: publish, refresh, withdraw, watch."""
