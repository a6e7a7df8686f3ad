"""What ships, and how a policy is named: one rule, whatever lies in the folder one stands in."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from consent_edit.cli import policy
from consent_edit.cli.policy_names import named_policy
from consent_edit.errors import PolicyInvalid
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.shipped_names import (
    as_argument,
    folder_of,
    jurisdictions,
    name_or_path,
    policy_folder,
    shipped_names,
)

OWN = '@id("all") @reason("r") permit (principal, action, resource);'
PACKS = ("default", "newsroom", "strict", "try-on")


def test_a_folder_named_like_a_shipped_policy_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`strict` is the one that ships; `./strict` is the folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strict").mkdir()
    (tmp_path / "strict" / "policy.cedar").write_text(OWN)
    assert name_or_path("strict") == "strict"
    assert name_or_path("./strict") == Path("strict")
    assert named_policy("./strict").digest != named_policy("strict").digest


def test_everything_that_ships_is_named() -> None:
    """The packs and the jurisdictions, told apart, each with its folder."""
    assert shipped_names() == PACKS
    assert jurisdictions() == ("eu", "uk")
    for name in (*PACKS, "eu", "uk"):
        folder = folder_of(name)
        assert folder is not None
        assert folder.name == name
        assert (folder / "policy.cedar").is_file()


@pytest.mark.parametrize("word", ["", "none", "Strict", "jurisdictions/eu", "no\nsuch", "missing.cedar"])
def test_what_is_neither_is_refused(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names there are stand in the remedy."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyInvalid, match="there is no policy") as caught:
        name_or_path(word)
    assert caught.value.remedy == f"name a policy file, its folder, or one of: {', '.join(PACKS)}"
    with pytest.raises(PolicyInvalid, match="there is no policy"):
        PolicyBundle.shipped(word)


COMMANDS = (
    "check",
    "fmt",
    "test",
    "explain --change checks=complete --policy",
    "diff default",
    "prove --policy",
    "new studio --from",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_the_same_of_a_policy_that_is_not_there(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and a next step."""
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(policy.app, [*command.split(), "nobody"]).exception
    assert isinstance(error, PolicyInvalid)
    assert error.message == "there is no policy nobody"
    assert error.remedy


@pytest.mark.parametrize("word", ["", "..", "/etc", "../policies/default", "jurisdictions", "default/", "."])
def test_a_name_cannot_leave_the_folder(word: str) -> None:
    """A name is a name, never a path."""
    assert folder_of(word) is None
    with pytest.raises(PolicyInvalid):
        policy_folder(word)
    with pytest.raises(PolicyInvalid, match="there is no jurisdiction"):
        Narrowing.jurisdiction(word)


def test_a_jurisdiction_is_no_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told what it is for, even beside a folder of that name; `./eu` is the folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eu").mkdir()
    (tmp_path / "eu" / "policy.cedar").write_text(OWN)
    for take in (name_or_path, named_policy, PolicyBundle.shipped):
        with pytest.raises(PolicyInvalid, match="eu is a jurisdiction") as caught:
            take("eu")
        assert caught.value.remedy == "lay it over a policy with --jurisdiction eu"
    assert named_policy("./eu").name == "eu"


def test_a_path_as_an_argument_is_never_a_name_nor_an_option(tmp_path: Path) -> None:
    """What ships, or looks like an option, is written with its folder."""
    assert [as_argument(Path(word)) for word in ("studio", "strict", "uk", "-x", "a/strict")] == [
        "studio",
        "./strict",
        "./uk",
        "./-x",
        "a/strict",
    ]
    assert as_argument(tmp_path) == str(tmp_path)
