"""The parts of the boot stage (`partitions.bootstage`)."""
