"""waves: when may a host, known by its seed, take an update."""
