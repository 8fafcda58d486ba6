"""Where files stand in the output folder: a folder a service, what is shared beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stillroom.manifests.objects import Object
from stillroom.registry import model

__all__ = ["Places", "namespaces"]


def namespaces(services: Iterable[model.Service]) -> list[str | None]:
    """The namespaces of services, each once, sorted; None, where one has none, first."""
    return sorted({each.namespace for each in services}, key=lambda each: each or "")


class Places:
    """Paths, for a profile.

    Args:
        profile: in a chart, patches are no templates.
        everyone: all services of the environment: what is shared is told apart only where there are several of it.
    """

    def __init__(self, profile: str, everyone: Sequence[model.Service]) -> None:
        self._helm = profile == "helm"
        self._several = len(namespaces(everyone)) > 1
        names = [{each.config_map for each in everyone if each.namespace == space} for space in namespaces(everyone)]
        self._several_configs = any(len(each) > 1 for each in names)

    def of(self, service: model.Service | str, template: str) -> str:
        """The file of a service."""
        name = service if isinstance(service, str) else service.name
        if self._helm:
            return f"{'patches' if template == 'deployment-patch.yaml' else 'templates'}/{name}/{template}"
        return f"{name}/{template}"

    def shared(self, template: str, namespace: str | None, name: str = "") -> str:
        """A file that services of a namespace share."""
        stem = template.removesuffix(".yaml")
        further = [namespace or "default"] if self._several else []
        further += [name] if name and self._several_configs else []
        return ("templates/" if self._helm else "") + ".".join([stem, *further, "yaml"])

    def listed(self, objects: Sequence[Object], beside: Sequence[str]) -> tuple[list[str], list[dict[str, str]]]:
        """The paths of kustomization.yaml: resources in order, and patches with the Deployment that each is for.

        Args:
            objects: in order.
            beside: further paths, of services that were rendered before; patches end in `:NAME of the Deployment`.
        """
        resources = [each.path for each in objects if not each.patch]
        patches = [{"path": each.path, "name": each.name} for each in objects if each.patch]
        for each in beside:
            path, _, name = each.partition(":")
            if name:
                patches.append({"path": path, "name": name})
            else:
                resources.append(path)
        return list(dict.fromkeys(resources)), sorted(patches, key=lambda each: each["path"])
