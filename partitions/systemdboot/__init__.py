"""Boot control by systemd-boot: tries are counted in the names of files (docs/systemd-boot.md)."""
