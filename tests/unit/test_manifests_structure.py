"""No name and no value changes the structure of a manifest, whatever it is; templates that would let one are refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from stillroom.manifests import contexts, engine, meaning, naming, problems, profiles
from stillroom.manifests import settings as limits
from stillroom.registry import model
from tests.support import manifest_fleets

_ANY = settings(max_examples=80, deadline=None)
_NASTY = (
    "",
    "yes",
    "null",
    "~",
    "0123",
    "1e3",
    "0x1F",
    "1:30",
    "2026-11-22",
    "a: b",
    "- a",
    "# no",
    "a # b",
    "'",
    '"',
    "\\",
    "\\u0041",
    "{{ a }}",
    "{% raw %}",
    "{# a #}",
    "${A}",
    "$(A)",
    "&a *a",
    "!!python/object:os.system",
    "|",
    ">",
    "%YAML",
    "---",
    "...",
    "\n",
    "a\nb: c\n",
    "\r",
    "\t",
    "\x00",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ufffe",
    "\U0001f600",
    "zq00000qz",
    "</script>",
    "`x`",
    "]",
    "}",
    ",",
)
_TEXTS = st.one_of(st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=("Cs",)), max_size=40))
_MAPS = st.dictionaries(_TEXTS, _TEXTS, max_size=3)
_REPOSITORY = Path(__file__).parents[2]


@given(value=st.recursive(st.one_of(_TEXTS, st.integers(), st.booleans(), st.none()), st.lists, max_leaves=6))
@_ANY
def test_tojson_is_read_as_the_same_value(value: Any) -> None:
    """Inside of YAML, by YAML's rules: line separators, control characters, words that mean something."""
    assert meaning.parsed(f"a: {engine.quoted(value)}\n") == [{"a": value}]
    assert yaml.safe_load(f"a: {engine.quoted(value)}\n") == {"a": value}


@given(text=_TEXTS)
@_ANY
def test_helm_gives_what_was_rendered(text: str) -> None:
    """What is escaped for Helm's templates comes out as it was; nothing of it begins an action of its own."""
    escaped = profiles.escaped(text)
    assert escaped.replace('{{ "{{" }}', "").count("{{") == 0
    assert '{{ "{{" }}' in text or profiles.unescaped(escaped) == text


def _hostile(base: model.Service, texts: list[str], labels: dict[str, str]) -> model.Service:
    first, second, third, fourth = texts
    return dataclasses.replace(
        base,
        name=first,
        namespace=second,
        image=third,
        container=fourth,
        workload=first,
        python=second,
        remote_path=third,
        url_variable=fourth,
        config_map=first,
        service_account=second or None,
        service_role=third,
        grants=(first, fourth),
        schemas=(second,),
        env={key: value for key, value in labels.items() if key},
        labels=labels,
        annotations={value: key for key, value in labels.items()},
        secret={"name": third, "key": fourth},
        resources={"requests": labels, "limits": {}},
        startup={"path": first, "secrets": [second], "config_maps": [third]},
        sidecars=({"name": fourth, "image": first, "args": [second], "env": labels, "port": 1},),
        image_pull_secrets=(first, second),
        carry_runtime=True,
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> model.Service:
    """A service as the registry has it."""
    folder = tmp_path_factory.mktemp("base")
    return manifest_fleets.fleet(folder, manifest_fleets.plain(1)).services_in("production")[0]


@given(texts=st.lists(_TEXTS, min_size=4, max_size=4), labels=_MAPS)
@_ANY
def test_hostile_texts_change_nothing_but_themselves(
    base: model.Service, texts: list[str], labels: dict[str, str]
) -> None:
    """Every place of Job and patch that the registry fills holds its text; there is nothing else that would not be there."""
    service = _hostile(base, texts, labels)
    first, second, third, _ = texts
    told = contexts.Contexts(model.Environment(first, "kubernetes"), "plain", ("runtime", "AAAA"), None, {})
    ours = engine.Engine(None)
    meant = meaning.Meaning(ours)
    job_limits, start = limits.job(base)[0], limits.startup(service)[0]
    for template, context in (
        ("migration-job.yaml", told.job(service, job_limits, "0" * 8, second)),
        ("deployment-patch.yaml", told.patch(service, start, 7)),
        ("configmap.yaml", told.config(third, second)),
    ):
        wanted, neutral = meant.documents(template, context)
        _, found = meant.text(template, context, wanted)
        assert found == wanted
        assert len(found) == len(neutral) == 1
        assert found[0].keys() == neutral[0].keys()
        assert found[0]["metadata"]["namespace"] == second
        if template == "migration-job.yaml":
            pod = found[0]["spec"]["template"]["spec"]
            assert pod["containers"][0]["image"] == third
            assert pod["initContainers"][0]["args"] == [second]
            assert pod["imagePullSecrets"] == [{"name": first}, {"name": second}]
            values = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
            assert values["STILLROOM_SERVICE"] == first
            own = naming.labels(first, service, naming.MIGRATION)
            assert {**labels, **own} == found[0]["spec"]["template"]["metadata"]["labels"]


def _own(folder: Path, name: str, text: str) -> Path:
    own = folder / "templates"
    own.mkdir(exist_ok=True)
    (own / name).write_text(text, encoding="utf-8")
    return own


def _ours(name: str) -> str:
    return (_REPOSITORY / "templates" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "code", "told"),
    [
        ("{{ each.value | tojson }}", "{{ each.value }}", "template-wrong", "printed without `| tojson`"),
        (
            "{{ backoff_limit | tojson }}",
            "{{ backof_limit | tojson }}",
            "template-wrong",
            "'backof_limit' is undefined",
        ),
        ("{{ deadline | tojson }}", "{{ deadline.x.y | tojson }}", "template-wrong", "has no attribute 'x'"),
        ("{% if image_pull_secrets %}", "{% if image_pull_secrets %", "template-wrong", "line"),
        ("apiVersion: batch/v1", "apiVersion: batch/v1\napiVersion: batch/v2", "template-wrong", "stands twice"),
        (
            "      restartPolicy: Never",
            "      restartPolicy: Never\n      when: 2026-11-22",
            "template-wrong",
            "quotes",
        ),
        ("name: {{ image_pull", "name: {{ image_pull", "", ""),
        ("restartPolicy: Never", "restartPolicie: Never", "schema-broken", "restartPolicie"),
        ("parallelism: 1", "parallelism: one", "schema-broken", "parallelism"),
        ("kind: Job", "kind: Jobb", "kind-unknown", "no Jobb"),
        ("kind: Job", "sort: Job", "no-object", "no object"),
        ("restartPolicy: Never", "restartPolicy: Never\n      hostNetwork: true", "not-restricted", "hostNetwork"),
        ("containerName: migration", "containerName: migrant", "reference-broken", "migrant"),
        (
            "        - name: tmp\n          emptyDir",
            "        - name: temp\n          emptyDir",
            "reference-broken",
            "mounts tmp",
        ),
    ],
)
def test_what_is_wrong_with_a_template_is_told(before: str, after: str, code: str, told: str, tmp_path: Path) -> None:
    """With its name, and the line and variable where one is to blame."""
    text = _ours("migration-job.yaml.j2")
    if code:
        assert before in text
    _own(tmp_path, "migration-job.yaml.j2", text.replace(before, after))
    found = manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1))
    if not code:
        assert manifest_fleets.rendered(found).jobs
        return
    with pytest.raises(problems.ManifestsWrong) as caught:
        manifest_fleets.rendered(found)
    assert code in {each.code for each in caught.value.problems}
    assert told in caught.value.detail
    assert "migration-job.yaml" in caught.value.detail or code in ("not-restricted", "reference-broken", "no-object")


def test_a_line_is_named(tmp_path: Path) -> None:
    """Of the template in which it is, be it one that is included."""
    _own(tmp_path, "_metadata.j2", "metadata:\n  name: {{ name | tojson }}\n  labels: {{ labelz | tojson }}\n")
    with pytest.raises(problems.ManifestsWrong) as caught:
        manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1)))
    assert caught.value.problems[0].where == "templates/_metadata.j2, line 3"
    assert "labelz" in caught.value.problems[0].text


def test_a_template_of_the_team_goes_before(tmp_path: Path) -> None:
    """File by file; it may ask for the service's name, and add to what is there."""
    text = _ours("migration-job.yaml.j2").replace(
        "      restartPolicy: Never\n",
        "      restartPolicy: Never\n{% if where == 'service-0000' %}\n      priorityClassName: urgent\n{% endif %}\n",
    )
    _own(tmp_path, "migration-job.yaml.j2", text)
    jobs = manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, manifest_fleets.plain(2))).jobs
    first, second = (each.body["spec"]["template"]["spec"] for each in jobs)
    assert first["priorityClassName"] == "urgent"
    assert "priorityClassName" not in second


def test_quotes_around_a_value_are_no_way_out(tmp_path: Path) -> None:
    """A template that builds a text of its own around a value is refused as soon as a value could break it."""
    text = _ours("migration-job.yaml.j2").replace(
        '              value: "1"',
        '              value: "1"\n            - {name: X, value: {{ where | tojson }}suffix}',
    )
    _own(tmp_path, "migration-job.yaml.j2", text)
    with pytest.raises(problems.ManifestsWrong):
        manifest_fleets.rendered(manifest_fleets.fleet(tmp_path, manifest_fleets.plain(1)))


def test_a_document_that_contains_itself_is_told() -> None:
    """An alias of an outer node has no end."""
    with pytest.raises(yaml.YAMLError, match="itself"):
        meaning.parsed("a: &a\n  b: *a\n")
