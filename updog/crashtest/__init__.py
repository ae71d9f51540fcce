"""What a power cut may leave of a disk, built and checked state by state (docs/crash-safety.md)."""
