"""``updog-repo bootstage``: the initramfs that chooses a partition set and starts it."""
