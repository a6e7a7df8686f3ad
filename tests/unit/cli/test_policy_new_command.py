"""``consent-edit policy new``: a folder that passes its own check and tests, never on top of another."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consent_edit.cli import policy
from consent_edit.errors import InputError, PolicyInvalid


def ran(*words: str) -> Result:
    return CliRunner().invoke(policy.app, [*words])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("start", [(), ("--from", "strict")])
def test_check_test_and_fmt_pass_at_once(start: tuple[str, ...]) -> None:
    """Nothing to repair before the first change."""
    done = ran("new", "studio", *start)
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "made studio/policy.cedar",
        "made studio/README.md",
        "made studio/tests/studio.test.yaml",
        "next: consent-edit policy test studio",
    ]
    assert ran("check", "studio", "--strict").exit_code == 0
    assert ran("test", "studio").exit_code == 0
    assert ran("fmt", "studio", "--check").exit_code == 0


@pytest.mark.parametrize(
    ("folder", "told"), [("default", "./default"), ("eu", "./eu"), ("my studio", "'my studio'")]
)
def test_the_next_step_is_about_the_new_folder(folder: str, told: str) -> None:
    """A word that ships would test what ships; a space would make two words of one."""
    done = ran("new", folder)
    assert done.output.splitlines()[-1] == f"next: consent-edit policy test {told}"
    (word,) = shlex.split(told)
    assert ran("test", word).output == "8 passed, 0 failed\n"


def test_as_json() -> None:
    """The folder and its files."""
    told = json.loads(ran("new", "studio", "--json").output)
    assert told["folder"] == "studio"
    assert all(Path(name).is_file() for name in told["files"])


def test_a_folder_that_holds_something_is_left_alone(here: Path) -> None:
    """Bad input, and what was there is untouched; an empty one is taken."""
    (here / "studio").mkdir()
    (here / "studio" / "policy.cedar").write_text("mine")
    done = ran("new", "studio")
    assert isinstance(done.exception, InputError)
    assert done.exception.exit_code == 2
    assert [path.name for path in here.rglob("*")] == ["studio", "policy.cedar"]
    assert (here / "studio" / "policy.cedar").read_text() == "mine"
    (here / "empty").mkdir()
    assert ran("new", "empty").exit_code == 0


def test_a_pack_that_is_none_makes_nothing(here: Path) -> None:
    """Those that ship are named."""
    done = ran("new", "studio", "--from", "nobody")
    assert isinstance(done.exception, PolicyInvalid)
    assert "newsroom" in done.exception.remedy
    assert list(here.iterdir()) == []
