"""partitions: GPT, boot bits, partition sets, and the disks that carry them."""
