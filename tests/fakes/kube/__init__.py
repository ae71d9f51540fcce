"""A Kubernetes API server for tests: real HTTP, one process, the rules that an operator leans on.

Start one with `tests.fakes.kube.server.serving`. What it does not have, a test cannot show: no
server-side apply, no protobuf, no admission but the policies of `admission`, no conversion calls,
no priority and fairness, no scheduler. Kubelet, budget controller and workloads are played by
`tests.fakes.kube.workloads`, and only when a test starts them.
"""
