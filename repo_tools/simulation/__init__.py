"""What a rollout does to a fleet and to the servers, before it begins.

`readiness` asks `waves.schedule` once for each seed; `model` puts a fleet on it, with NumPy;
`figures` are what comes out, as plain values; `chart`, `report` and `picture` show them.
"""
