"""Revision files read without executing them: heads, graph, operations, needs and problems."""
