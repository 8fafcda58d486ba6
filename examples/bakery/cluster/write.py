"""Writes services.yaml here and ../skaffold.yaml anew: for each service what `service.template.yaml` says, and its image.

    python examples/bakery/cluster/write.py

A service is a folder of the fleet with an `alembic.ini`. Needs nothing but Python.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
FLEET = HERE.parent

_HEAD = """\
# The fourteen services. Written by write.py from service.template.yaml: change that one.
#
# Nothing of Stillroom is in here but two lines of each service's code. What keeps a service from starting on a database that
# is not ready (the common environment, an init container, a startup probe) is a patch that `invoke render-manifests` makes.
"""

_SKAFFOLD = """\
# Builds the fourteen images and brings the services up. Written by cluster/write.py: change that one.
#
#     cd examples/bakery && skaffold build
#
# `skaffold deploy` brings up services that verify their databases (docs/on-a-cluster.md): before it, from the root of the
# repository, `invoke render-manifests` and `invoke apply --via job`. Migrations are no hook here: a hook that fails half-way
# leaves open what was applied, and Stillroom asks the databases.
#
# Checked by its shape only, since no container engine runs where this repository is tested.
apiVersion: skaffold/v4beta11
kind: Config
metadata:
  name: bakery
build:
  # The tag that services.yaml says. Nothing is pushed: the images go into the store of kind or minikube.
  tagPolicy:
    envTemplate:
      template: 1.0.0
  local:
    push: false
    useBuildkit: true
  artifacts:
"""

_ARTIFACT = """\
    - image: bakery/{name}
      context: ../..
      docker:
        dockerfile: examples/bakery/Dockerfile
        buildArgs: {{SERVICE: {name}}}
"""

_DEPLOY = """\
manifests:
  kustomize:
    paths: [cluster-verified]
deploy:
  kubectl: {}
"""


def services(fleet: Path = FLEET) -> list[str]:
    """The names of the services, in the order of the alphabet."""
    return sorted(path.parent.name for path in fleet.glob("*/alembic.ini"))


def manifests(names: list[str]) -> str:
    """A Deployment and a Service for each of them."""
    template = Template((HERE / "service.template.yaml").read_text(encoding="utf-8"))
    return _HEAD + "".join(template.substitute(name=name, variable=name.upper().replace("-", "_")) for name in names)


def skaffold(names: list[str]) -> str:
    """An image for each of them, and where their manifests are."""
    return _SKAFFOLD + "".join(_ARTIFACT.format(name=name) for name in names) + _DEPLOY


if __name__ == "__main__":
    (HERE / "services.yaml").write_text(manifests(services()), encoding="utf-8")
    (FLEET / "skaffold.yaml").write_text(skaffold(services()), encoding="utf-8")
