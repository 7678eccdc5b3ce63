"""Which models need a recording: each that the agent file names, or those that the transcript lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from warm_process import run_outside_ci as run

AGENT = (
    "gateway: scripted\nmodel: demo\nfallback: [{gateway: scripted, model: small}]\n"
    "system_prompt: You count.\nscript: [{text: one}]\n"
)
SCRIPT = "transcript: 1\nagent: agent.yaml\nturns:\n- id: ask\n  user: Count.\n"
BY_HAND = "---\nrecording: hand/h\nturns:\n  ask:\n  - reply: {}\n    text: one\nexpect: [{contains: one}]\n"
FAULT = "---\nrecording: hand/h\nturns:\n  ask:\n  - reply: {error: {status: 401}}\nexpect: [{exit: 4}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A golden transcript, recorded with both models; each `record` is exit 0."""
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "a.transcript.yaml").write_text(SCRIPT)
    first = run(tmp_path, "record", ".")
    assert (first.returncode, first.stdout[:6]) == (0, "1 pass"), first.stdout
    assert "scripted/small" in first.stderr
    assert run(tmp_path, "record", "--model", "small", ".").returncode == 0
    assert run(tmp_path, "replay", ".").stdout.startswith("2 pass   ")
    return tmp_path


def recordings(file: Path) -> tuple[str, dict[str, str]]:
    script, *documents = file.read_text().split("---\n")
    return script, {"small" if "scripted/small" in each else "demo": f"---\n{each}" for each in documents}


@pytest.mark.parametrize(
    ("kept", "extra", "key", "code", "missing"),
    [
        (("demo",), "", "", 3, {"small"}),
        (("small",), "", "", 3, {"demo"}),
        ((), "", "", 3, {"demo", "small"}),
        ((), BY_HAND, "", 0, set()),
        (("demo",), BY_HAND, "", 3, {"small"}),
        (("demo",), FAULT, "", 0, set()),
        (("demo",), "", "models: [scripted/demo]\n", 0, set()),
        (("demo", "small"), "", "models: [scripted/demo, openai/x]\n", 3, {"x"}),
        ((), BY_HAND, "models: [scripted/demo]\n", 3, {"demo"}),
    ],
)
def test_a_dropped_recording_is_missed(
    kept: tuple[str, ...], extra: str, key: str, code: int, missing: set[str], folder: Path
) -> None:
    file = folder / "a.transcript.yaml"
    script, documents = recordings(file)
    file.write_text(script.replace("turns:", f"{key}turns:") + "".join(documents[name] for name in kept) + extra)
    for how in ((), ("-j", "2")):
        done = run(folder, "replay", *how, ".")
        lines = [line.rpartition("/")[2] for line in done.stdout.splitlines() if line.startswith("MISSING ")]
        assert (done.returncode, set(lines), len(lines)) == (code, missing, len(missing)), done.stdout


def test_a_recording_renamed_by_a_typo_is_missed_and_told(folder: Path) -> None:
    file = folder / "a.transcript.yaml"
    file.write_text(file.read_text().replace("recording: scripted/small", "recording: scripted/smal"))
    done = run(folder, "replay", ".")
    assert done.returncode == 3
    assert "record --gateway scripted --model small a.transcript.yaml" in done.stdout
    assert "names scripted/smal:" in done.stdout


def test_record_asks_each_model_that_is_listed(folder: Path) -> None:
    file = folder / "a.transcript.yaml"
    file.write_text(SCRIPT.replace("turns:", "models: [scripted/demo, scripted/small]\nturns:"))
    assert run(folder, "record", ".").stdout.startswith("2 pass   ")
    assert run(folder, "replay", ".").stdout.startswith("2 pass   ")
