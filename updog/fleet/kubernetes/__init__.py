"""The Kubernetes operator: a controller for the cluster, and an agent on each node."""
