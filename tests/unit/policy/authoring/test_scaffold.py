"""A new policy: whatever it starts from, it is valid, in order, and its tests pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_edit.errors import PolicyInvalid, Unavailable
from consent_edit.policy.authoring.cases.case_files import find, read
from consent_edit.policy.authoring.cases.case_runs import run
from consent_edit.policy.authoring.writing import scaffold
from consent_edit.policy.authoring.writing.lint import lint
from consent_edit.policy.authoring.writing.scaffold import name_for, new_policy
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.engine import format_text

PACKS = ["", "default", "try-on", "newsroom", "strict"]


@pytest.mark.parametrize("pack", PACKS)
def test_it_is_in_order_at_once(tmp_path: Path, pack: str) -> None:
    """Its cases pass and leave no rule out, it has no lint, and it is laid out the one way."""
    for name, text in new_policy("studio", pack=pack).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    bundle = PolicyBundle.load(tmp_path)
    assert lint(bundle, tested=True) == ()
    assert format_text(bundle.text) == bundle.text
    (suite,) = [read(path) for path in find([str(tmp_path)])]
    assert suite.policy.digest == bundle.digest
    report = run([suite])
    assert report.failed == ()
    assert report.without_a_case == ()


@pytest.mark.parametrize("pack", PACKS)
def test_it_says_what_it_is(pack: str) -> None:
    """Its name, its rules and its sentences stand in the README; no place is left unfilled."""
    files = new_policy("studio", pack=pack)
    assert set(files) == {"policy.cedar", "README.md", "tests/studio.test.yaml"}
    assert "{{" not in "".join(files.values())
    for rule in PolicyBundle.from_text(files["policy.cedar"]).texts:
        assert rule.code.removeprefix("policy.") in files["README.md"]
        assert rule.reason in files["README.md"]
    assert "studio" in files["README.md"]


def test_a_start_from_a_pack_decides_as_the_pack() -> None:
    """Same digest, which is named in the first line."""
    text = new_policy("studio", pack="try-on")["policy.cedar"]
    digest = PolicyBundle.shipped("try-on").digest
    assert PolicyBundle.from_text(text).digest == digest
    assert text.startswith(f"// Started from try-on, {digest}.")


@pytest.mark.parametrize("pack", ["nobody", "jurisdictions", "../policies/default"])
def test_a_pack_that_is_none_is_refused(pack: str) -> None:
    """Those that ship are named."""
    with pytest.raises(PolicyInvalid, match=f"there is no policy {pack}") as caught:
        new_policy("studio", pack=pack)
    assert caught.value.remedy == "take one of: default, newsroom, strict, try-on"


def test_a_jurisdiction_is_none_to_start_from() -> None:
    """It only forbids; what it is for stands in the remedy."""
    with pytest.raises(PolicyInvalid, match="eu is a jurisdiction"):
        new_policy("studio", pack="eu")


def test_an_installation_without_templates_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unavailable, not a missing file."""
    monkeypatch.setattr(scaffold, "_TEMPLATES", tmp_path)
    with pytest.raises(Unavailable):
        new_policy("studio")


@pytest.mark.parametrize(
    ("folder", "name"), [("studio", "studio"), ("a/b-2", "b-2"), ("My Policy", "policy"), ("x\ny", "policy")]
)
def test_a_policy_is_called_after_its_folder(folder: str, name: str) -> None:
    """Where a policy can be called so."""
    assert name_for(Path(folder)) == name
