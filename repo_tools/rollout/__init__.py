"""``updog-repo rollout``: changing a rollout that runs, and seeing what that does first."""
