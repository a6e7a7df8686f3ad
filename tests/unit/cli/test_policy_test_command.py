"""``consent-edit policy test``: what it prints, and its exit code."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consent_edit.cli import policy
from consent_edit.errors import ConsentEditError, InputError

POLICY = (
    '@id("all") @reason("r") permit (principal, action, resource);\n'
    '@id("increase") @reason("More is shown.") forbid (principal, action, resource)\n'
    'unless { context.exposure_change == ExposureChange::"none" };\n'
)
BENIGN = "consent-edit policy explain --policy . --stage output --change checks=complete"


def ran(*words: str) -> Result:
    return CliRunner().invoke(policy.app, ["test", *words])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty policy folder, and the current one."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "policy.cedar").write_text(POLICY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(folder: Path, *cases: str) -> None:
    (folder / "tests" / "a.test.yaml").write_text("cases:\n" + "\n".join(f"- {{{case}}}" for case in cases))


def test_what_passes_is_counted(folder: Path) -> None:
    """By default whatever lies below; with the rules that no case determined."""
    put(folder, "name: n, codes: []")
    done = ran()
    assert done.exit_code == 0
    assert done.output == f"1 passed, 0 failed\nrules without a case in {folder.name}: increase\n"


def test_what_fails_is_told(folder: Path) -> None:
    """Expected beside got, each with its sentence; exit 5."""
    put(
        folder,
        "name: good, codes: []",
        "name: wrong code, change: {persons.0.exposure_change: increased}, codes: [floor.foreign-identity]",
        "name: wrong rule, codes: [], determining: [increase]",
        "name: wrong way, allowed: no",
    )
    done = ran("tests/a.test.yaml")
    assert done.exit_code == 5
    assert done.output.splitlines() == [
        "FAILED tests/a.test.yaml: wrong code",
        "  expected  refused: floor.foreign-identity: "
        "The result shows a face that no consent in this request covers.",
        "  got       refused: policy.increase: More is shown.",
        "  look into it: consent-edit policy explain --policy . --stage output "
        "--change persons.0.exposure_change=increased",
        "FAILED tests/a.test.yaml: wrong rule",
        "  expected  allowed",
        "  got       allowed",
        "  not decided by policy.increase: More is shown.",
        "  also decided by policy.all: r",
        f"  look into it: {BENIGN}",
        "FAILED tests/a.test.yaml: wrong way",
        "  expected  refused",
        "  got       allowed",
        f"  look into it: {BENIGN}",
        "1 passed, 3 failed",
    ]


def test_two_codes_stand_one_below_the_other(folder: Path) -> None:
    """Whatever was right among them too."""
    put(folder, "name: n, change: {persons.0.exposure_change: increased, checks: incomplete}, codes: []")
    lines = ran().output.splitlines()
    assert lines[1] == "  expected  allowed"
    assert lines[2].startswith("  got       refused: floor.checks-incomplete: ")
    assert lines[3] == "            refused: policy.increase: More is shown."


def test_the_command_that_is_told_reproduces_the_case(folder: Path) -> None:
    """What it decides is what the case got."""
    change = "persons: 2, change: {persons.1.exposure_change: increased}"
    put(folder, f"name: n, stage: input, {change}, jurisdictions: [uk], codes: []")
    words = shlex.split(ran().output.splitlines()[-3].partition(": ")[2])
    assert words[:2] == ["consent-edit", "policy"]
    told = CliRunner().invoke(policy.app, [*words[2:], "--json"])
    assert told.exit_code == 0
    assert '"policy.increase"' in told.output
    assert '"policy.uk-no-increase"' in told.output


def test_a_path_with_a_space_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the command that is told, so that it can be copied."""
    (tmp_path / "my studio" / "tests").mkdir(parents=True)
    (tmp_path / "my studio" / "policy.cedar").write_text(POLICY)
    put(tmp_path / "my studio", "name: n, allowed: no")
    monkeypatch.chdir(tmp_path)
    assert "--policy 'my studio' --stage" in ran().output


def test_what_fails_prints_no_control_characters(folder: Path) -> None:
    """Cases and sentences from somebody else cannot steer the terminal."""
    (folder / "policy.cedar").write_text(POLICY.replace("More is", "\x1b[2JMore is"))
    put(folder, 'name: "\\e[2Jn", change: {persons.0.exposure_change: increased}, codes: []')
    done = ran()
    assert done.exit_code == 5
    assert "[2JMore is shown." in done.output
    assert "[2Jn" in done.output
    assert "\x1b" not in done.output


def test_as_json(folder: Path) -> None:
    """The same, for scripts."""
    put(folder, "name: n, codes: [floor.hands-off]", "name: m, allowed: yes")
    done = ran("--json")
    assert done.exit_code == 5
    told = json.loads(done.output)
    assert (told["passed"], told["failed"]) == (1, 1)
    assert told["rules_without_a_case"] == [{"policy": folder.name, "rule": "increase"}]
    assert told["cases"][0] == {
        "file": "tests/a.test.yaml",
        "name": "n",
        "policy": folder.name,
        "passed": False,
        "allowed": True,
        "codes": [],
        "missing_codes": ["floor.hands-off"],
        "unexpected_codes": [],
        "explain": BENIGN,
        "determining": ["all"],
        "not_determining": [],
        "determining_too": [],
    }


def test_what_ships_passes_by_name() -> None:
    """Every policy and jurisdiction that ships."""
    done = ran("default", "try-on", "newsroom", "strict", "eu", "uk")
    assert done.exit_code == 0
    assert done.output.endswith(" passed, 0 failed\n")


@pytest.mark.parametrize("words", [("none",), ("tests",), ("policy.cedar",), ()])
def test_nothing_to_run_is_bad_input(folder: Path, words: tuple[str, ...]) -> None:
    """Exit 2, with the next step."""
    error = ran(*words).exception
    assert isinstance(error, InputError)
    assert error.exit_code == 2
    assert error.remedy


def test_a_bad_file_runs_nothing(folder: Path) -> None:
    """Not even the good one beside it."""
    put(folder, "name: n, codes: []")
    (folder / "tests" / "b.test.yaml").write_text("cases: 1")
    done = ran(".")
    assert isinstance(done.exception, ConsentEditError)
    assert done.output == ""
    assert "b.test.yaml" in done.exception.message
