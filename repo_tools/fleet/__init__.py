"""What a fleet did, read from the access logs of the servers it asks (docs/fleet.md)."""
