"""What a Kubernetes answers: the loopback API of these tests held against a real cluster.

Plain `make test` runs them against the loopback API alone; `make test-cluster` against the cluster of `KUBECONFIG`, too.
"""
