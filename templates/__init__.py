"""Jinja templates of Kubernetes manifests. A file of the same name in `templates/` beside services.yaml goes before.

Every value is printed through `| tojson`, and whole. docs/manifests.md has the rules and the variables.
"""
