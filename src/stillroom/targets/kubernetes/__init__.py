"""Services in pods: which pod and container, what is run in them, and the one door to kubectl."""
