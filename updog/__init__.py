"""updog: the client of an A/B operating-system update, and the service around it."""
