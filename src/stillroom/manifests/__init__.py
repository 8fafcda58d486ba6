"""From the registry and templates to checked Kubernetes manifests; `render` is pure: the same input, the same bytes."""

from stillroom.manifests.objects import Object, Options, Rendered
from stillroom.manifests.rendering import render

__all__ = ["Object", "Options", "Rendered", "render"]
