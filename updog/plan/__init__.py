"""``updog plan``: what installing an update would move, before anything is moved."""
