"""Policies on the command line: chosen when the folder is made, named with an edit, told when they break."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from operator_records import OPEN, made
from typer.testing import CliRunner

from consent_edit import operator_folder
from consent_edit.cli import edit as edit_command
from consent_edit.cli.main import app
from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.policy import policy_file
from consent_edit.policy.policy_file import PolicyFile


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture
def town(tmp_path):
    """A trust list and its anchor, as `issuer trust` writes them."""
    folder = made(tmp_path)
    return SimpleNamespace(
        place=tmp_path, listed=folder / "trust-list.jwt", anchor=folder / "anchor.jwk.json"
    )


def init(town, *more):
    given = ("--trust-list", town.listed, "--anchor", town.anchor, "--audience", "https://s.example")
    return run("operator", "init", town.place / "new", *given, *more)


def test_init_with_policies(town):
    """A shipped policy by name, one by path, laws and shadows: all stand in the folder's settings."""
    mine = town.place / "mine.cedar"
    mine.write_text(OPEN)
    init(town, "--policy", mine, "--jurisdiction", "eu", "--jurisdiction", "uk", "--shadow", "default")
    config = json.loads((town.place / "new" / "operator.json").read_text())
    assert config["policy"] == "custom" and config["jurisdictions"] == ["eu", "uk"]
    assert config["shadows"] == ["default"]
    assert (town.place / "new" / "policy.cedar").read_text().strip() == OPEN.strip()
    operator = operator_folder.load(town.place / "new")
    assert operator.snapshot().policy.name == "policy+eu+uk"
    operator.store.close()


def test_init_with_a_policy_folder(town):
    """A folder that holds ``policy.cedar`` is copied in like a file."""
    (town.place / "mine").mkdir()
    (town.place / "mine" / "policy.cedar").write_text(OPEN)
    init(town, "--policy", town.place / "mine", "--shadow", f"{town.place / 'mine'}/")
    config = json.loads((town.place / "new" / "operator.json").read_text())
    assert config["policy"] == "custom" and config["shadows"] == ["shadows/mine.cedar"]


@pytest.mark.parametrize(
    "more",
    [
        ("--policy", "no-such"),
        ("--policy", "./no-such.cedar"),
        ("--jurisdiction", "atlantis"),
        ("--shadow", "no-such"),
    ],
    ids=" ".join,
)
def test_init_with_what_is_not_there(town, more):
    """What cannot be used makes no folder."""
    with pytest.raises(InputError):
        init(town, *more)
    assert not (town.place / "new").exists()


@pytest.mark.parametrize("command", ["edit", "assess"])
def test_unknown_jurisdiction_loads_nothing(tmp_path, monkeypatch, command):
    """It is bad input that names the known ones, before any model, store or output is touched."""

    def loaded(*_):
        raise AssertionError("the editor was loaded")

    monkeypatch.setattr(edit_command, "built_in_editor", loaded)
    (tmp_path / "photo.png").write_bytes(b"")
    out = ("--out", tmp_path / "out.png") if command == "edit" else ()
    with pytest.raises(PolicyInvalid) as caught:
        run(
            *(command, tmp_path / "photo.png", "--prompt", "warmer", "--operator", tmp_path),
            *("--jurisdiction", "eu", "--jurisdiction", "atlantis", *out),
        )
    assert caught.value.exit_code == 2 and "eu" in caught.value.remedy
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_policy_file_that_broke_is_told(tmp_path, monkeypatch, capsys):
    """Whoever runs a command learns on stderr that the policy file is not what is in force."""
    monkeypatch.setattr(policy_file, "SETTLE_S", 0.0)
    path = tmp_path / "policy.cedar"
    path.write_text(OPEN)
    operator = SimpleNamespace(policy=PolicyFile(path))
    edit_command.tell_problem(operator)
    assert capsys.readouterr().err == ""
    path.write_text("permit (")
    operator.policy.current()
    edit_command.tell_problem(operator)
    assert str(path) in capsys.readouterr().err
