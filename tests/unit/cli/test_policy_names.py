"""How every command names a policy: one rule, whatever lies in the folder one stands in."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_edit.cli.policy_names import name_or_path, named_policy, shipped_names
from consent_edit.errors import PolicyInvalid

OWN = '@id("all") @reason("r") permit (principal, action, resource);'


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


def test_every_shipped_policy_is_named() -> None:
    """The packs, and no jurisdiction: those are no policies of their own."""
    assert shipped_names() == ("default", "newsroom", "strict", "try-on")


@pytest.mark.parametrize("word", ["", "none", "Strict", "jurisdictions/eu", "no\nsuch", "missing.cedar"])
def test_what_is_neither_is_refused(word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names there are stand in the remedy."""
    monkeypatch.chdir(tmp_path)
    if word == "":
        with pytest.raises(PolicyInvalid):
            named_policy(word)
        return
    with pytest.raises(PolicyInvalid) as caught:
        name_or_path(word)
    assert "default" in caught.value.remedy
