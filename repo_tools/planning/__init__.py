"""``updog-repo waves``: looking at a rollout before anything is signed."""
