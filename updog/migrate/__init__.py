"""``updog migrate``: settings of one version become those of another, without a network."""
