"""The `apiclient` command: the update service's client for people and scripts (formats 10.5)."""
