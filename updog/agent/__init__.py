"""The agent: what makes a machine keep itself up to date, by a calendar."""
