"""`invoke render-manifests`: the fleet's Kubernetes manifests, written, compared, or tried on a cluster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.exceptions import Exit
from stillroom.tasks.command import Call, command

from stillroom import errors

if TYPE_CHECKING:
    from stillroom.manifests import Rendered
    from stillroom.manifests.folder import Plan
    from stillroom.targets.kubernetes.kubectl import Kubectl

__all__ = ["render_manifests"]


@command(
    "render-manifests",
    options={
        "output": "DIR: where they are written (default: build/manifests/ENVIRONMENT).",
        "profile": "PROFILE: one of plain, helm, argocd and kustomize (default: what the environment says).",
        "tag": "TAG: of all images, instead of the registry's.",
        "kubernetes-version": "RELEASE: whose schemas hold, such as 1.33 (default: the newest that is installed).",
        "check": "Write nothing; compare with what is on disk, and exit with 1 and a diff where it differs.",
        "diff-cluster": "Write nothing; show what applying would change on the cluster, exit with 1 if anything.",
        "server-dry-run": "Have the cluster try to apply all of it, and change nothing there.",
    },
)
def render_manifests(
    call: Call,
    output: str = "",
    profile: str = "",
    tag: str = "",
    kubernetes_version: str = "",
    check: bool = False,
    diff_cluster: bool = False,
    server_dry_run: bool = False,
) -> None:
    """Render Job, ConfigMap and what goes with them for every service, checked against Kubernetes' schemas.

    Example: invoke render-manifests --environment production --tag 1.4.2
    """
    from stillroom import manifests
    from stillroom.manifests import folder

    if check and (diff_cluster or server_dry_run):
        raise errors.UsageError(
            "--check looks at the disk alone, --diff-cluster and --server-dry-run ask the cluster",
            "run one after the other",
        )
    where = _folder(call, output)
    names = tuple(each.name for each in call.fleet.services_in(call.environment))
    selected = tuple(each.name for each in call.services)
    options = manifests.Options(
        profile=_profile(profile),
        tag=_tag(tag),
        namespace=call.given_namespace or None,
        kubernetes=kubernetes_version or None,
        beside=folder.beside(where, names, selected),
    )
    rendered = manifests.render(call.fleet, call.environment, call.services, options)
    for note in _notes(rendered):
        call.say(f"! {note}")
    if diff_cluster or server_dry_run:
        _ask_cluster(call, rendered, diff=diff_cluster)
        return
    _finish(call, rendered, folder.plan(where, rendered, names, selected), check=check)


def _finish(call: Call, rendered: Rendered, wanted: Plan, *, check: bool) -> None:
    """Writes what is planned, or tells how it differs."""
    from stillroom.manifests import folder

    if not check:
        folder.carry_out(wanted)
    if call.json:
        call.answer(_document(call, rendered, wanted, check=check))
    else:
        _tell(call, rendered, wanted, check=check)
    if check and wanted.differs:
        raise Exit(code=1)


def _tell(call: Call, rendered: Rendered, wanted: Plan, *, check: bool) -> None:
    for each in wanted.changes:
        if check and each.differs:
            for line in each.diff():
                print(line)
        elif call.verbose:
            print(f"{each.kind:<10} {each.path}")
    _tell_edits(call, wanted, check=check)
    held = f"held against the schemas of Kubernetes {rendered.kubernetes}" if rendered.kubernetes else "no schemas"
    services = len(call.services)
    what = f"{services} service{'' if services == 1 else 's'}, {len(rendered.objects)} objects, {held}"
    differs = check and wanted.differs
    print(f"{'✗' if differs else '✓'} {_shown(wanted.folder)}: {what}; {_counts(wanted)}")
    if differs:
        call.say(f"→ invoke render-manifests --environment {call.environment.name}, and commit what it writes")


def _tell_edits(call: Call, wanted: Plan, *, check: bool) -> None:
    """What somebody changed by hand, and what became of it."""
    for each in wanted.changes:
        if each.kind == "kept":
            call.say(f"! {each.path} is no longer rendered, and was edited: it stays; take it away yourself")
        elif each.edited and each.kind == "changed":
            call.say(f"! {each.path} had been edited: " + ("that would be lost" if check else "it was written anew"))


def _ask_cluster(call: Call, rendered: Rendered, *, diff: bool) -> None:
    """What the cluster says; exits with 1 where applying would change something and that was the question."""
    from stillroom.manifests import cluster

    tried = cluster.attempt(rendered, _door(call), force=diff)
    lines = list(cluster.differences(tried)) if diff else []
    if call.json:
        call.answer(
            {
                "command": call.name,
                "environment": call.environment.name,
                "ok": True,
                "accepted": len(tried.objects),
                "absent": list(tried.absent),
                "diff": lines,
            }
        )
    else:
        for line in lines:
            print(line)
        for each in tried.absent:
            call.say(f"! {each} is not in the cluster yet, so its patch was not tried")
        told = ("it differs" if lines else "nothing differs") if diff else "the cluster takes them"
        print(f"{'✗' if lines else '✓'} {call.environment.name}: {len(tried.objects)} objects tried, {told}")
    if lines:
        raise Exit(code=1)


def _door(call: Call) -> Kubectl:
    from stillroom.targets.kubernetes import kubectl

    return kubectl.Kubectl(call.environment.context, call.environment.kubeconfig)


def _notes(rendered: Rendered) -> list[str]:
    if rendered.kubernetes is not None:
        return list(rendered.notes)
    return [*rendered.notes, "held against no schemas: pip install 'stillroom[validate]'"]


def _folder(call: Call, output: str) -> Path:
    return Path(output) if output else call.fleet.root / "build" / "manifests" / call.environment.name


def _profile(given: str) -> str | None:
    from stillroom.manifests import objects

    if given and given not in objects.PROFILES:
        raise errors.UsageError(f"--profile {given}: there is no such profile", f"one of {', '.join(objects.PROFILES)}")
    return given or None


def _tag(given: str) -> str | None:
    if given and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", given):
        raise errors.UsageError(f"--tag {given}: this is no tag of an image", "letters, digits, '_', '.' and '-'")
    return given or None


def _document(call: Call, rendered: Rendered, wanted: Plan, *, check: bool) -> dict[str, Any]:
    return {
        "command": call.name,
        "environment": call.environment.name,
        "ok": not (check and wanted.differs),
        "folder": str(wanted.folder),
        "profile": rendered.profile,
        "kubernetes": rendered.kubernetes,
        "files": [{"path": each.path, "change": each.kind, "edited": each.edited} for each in wanted.changes],
        "objects": [
            {"service": each.service, "kind": each.kind, "name": each.name, "namespace": each.namespace}
            for each in rendered.objects
        ],
        "notes": _notes(rendered),
    }


def _counts(wanted: Plan) -> str:
    kinds = [each.kind for each in wanted.changes]
    told = [
        f"{kinds.count(kind)} {kind}" for kind in ("new", "changed", "unchanged", "removed", "kept") if kind in kinds
    ]
    return ", ".join(told)


def _shown(folder: Path) -> str:
    try:
        return str(folder.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(folder)
