"""The settings data store: keys, values, their files, and the links that choose a store."""
