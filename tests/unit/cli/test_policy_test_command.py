"""``consent-edit policy test``: what it prints, and its exit code."""

from __future__ import annotations

import json
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
        "  expected  floor.foreign-identity: The result shows a face that no consent in this request covers.",
        "  got       policy.increase: More is shown.",
        "FAILED tests/a.test.yaml: wrong rule",
        "  expected to determine policy.increase: More is shown.",
        "  determined policy.all: r",
        "FAILED tests/a.test.yaml: wrong way",
        "  got       allowed",
        "1 passed, 3 failed",
    ]


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
