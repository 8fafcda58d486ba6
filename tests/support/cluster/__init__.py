"""A small Kubernetes on the loopback, for tests: the real kubectl talks to it, its pods are local processes.

See `README.md` beside this file for what it does and what it does not. It stands on aiohttp, for HTTP and WebSocket.
`kmock` was looked at (0.8): it serves discovery and keeps objects in memory, on aiohttp too, but has no exec, logs or
WebSockets, merges every patch as plain dictionaries, has neither selectors nor server-side apply nor validation, and
answers what it does not know kindly. What would have been left of it is a router.
"""

from tests.support.cluster.cluster import Cluster
from tests.support.cluster.images import Image

__all__ = ["Cluster", "Image"]
