"""The updater for clusters of Amazon ECS: drains a few instances at a time, updates, gives back.

What it does by AWS stands in `cloud` and `runcommand`; what it decides stands in the pure modules
`marks`, `budget`, `tasks`, `hostreport`, `decide` and `outcome`; `flow` is the way of one instance.
"""
