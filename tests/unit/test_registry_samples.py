"""One registry per mistake: the `#!` lines of each sample say exactly what is told about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import registry_help

_FOLDER = Path(__file__).with_name("registry_samples")
_SAMPLES = sorted(_FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("sample", _SAMPLES, ids=lambda sample: sample.stem)
def test_a_sample_is_told_its_mistakes_and_nothing_else(sample: Path, tmp_path: Path) -> None:
    """Each line that is told begins as the sample expects; a sample's own name stands for a file beside it."""
    text = sample.read_text(encoding="utf-8")
    expected = [line.removeprefix("#! ") for line in text.splitlines() if line.startswith("#! ")]
    (tmp_path / sample.name).write_text("this is no interpreter")
    told = [line.replace(str(tmp_path), "SAMPLES") for line in registry_help.mistakes(tmp_path, text)]
    assert expected
    assert len(told) == len(expected), told
    for line, beginning in zip(told, expected, strict=True):
        assert line.startswith(beginning)


def test_no_sample_gives_its_secret_away(tmp_path: Path) -> None:
    """Whatever is wrong with a file, a password in it is not repeated."""
    samples = [text for text in (sample.read_text(encoding="utf-8") for sample in _SAMPLES) if "hunter2" in text]
    assert len(samples) > 5
    for text in samples:
        assert "hunter2" not in "\n".join(registry_help.mistakes(tmp_path, text))
