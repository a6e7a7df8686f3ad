"""Policies change while an edit runs: what narrows counts, what widens or breaks does not."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from fake_perception import seen_face

from consent_edit.errors import CheckFailed, EditRefused, PolicyInvalid
from consent_edit.gate import Gate
from consent_edit.policy import policy_file
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.policy_file import PolicyFile
from consent_edit.policy.restriction import Restriction
from consent_edit.vocabulary import ExposureChange, Operation

OPEN = '@id("open") @reason("Everything else.") permit (principal, action == Action::"edit", resource);\n'
NO_TONE = (
    '@id("no-tone") @reason("Not today.") forbid (principal, action == Action::"edit", resource)'
    ' when { context.operations.contains(Operation::"tone") };\n'
)
NO_TONE_LEAVES = NO_TONE.replace("};", '&& context.stage == Stage::"output" };').replace(
    "no-tone", "none-leaves"
)
CLASHES = OPEN.replace("open", "uk-no-increase")


@pytest.fixture
def consented(scene):
    """Presentations of the one person shown."""
    scene.shows([seen_face(1)], [seen_face(1)])
    grant = scene.person(1).grant(operations={Operation.TONE})
    return {"presentations": (grant.presentation(),)}


@pytest.fixture
def file(scene, tmp_path, monkeypatch):
    """The policy file of the operator; a change of it counts at once."""
    monkeypatch.setattr(policy_file, "SETTLE_S", 0.0)
    path = tmp_path / "policy.cedar"
    path.write_text(OPEN)
    path.chmod(0o600)
    scene.operator.policy = PolicyFile(path)
    return path


def follow(scene, file, text):
    """Put a text into the file that the operator has in force, before the edit begins."""
    file.write_text(text)
    scene.operator.policy = PolicyFile(file)


def midway(scene, change):
    """Have something happen after admission, before release."""
    scene.perception.before_change = change


def refused(scene, **asked):
    with pytest.raises(EditRefused) as caught:
        scene.edit(**asked)
    return scene.exact(caught.value)


def revealing(scene):
    """The output shows more of a person than the input did, as far as the checks can see."""
    genuine = scene.perception.observe_change
    scene.perception.observe_change = lambda *given: replace(
        genuine(*given), exposure_change=ExposureChange.INCREASED
    )


def test_control_a_policy_file_releases(scene, file, consented):
    """Under a file that stays as it is the edit leaves, recorded under that very policy."""
    result = scene.edit(**consented)
    assert scene.operator.decision(result.decision_id).policy_digest == PolicyBundle.from_text(OPEN).digest


def test_policy_file_narrowed_while_an_edit_runs(scene, file, consented):
    """What the file forbids by now does not leave under what it said before."""
    midway(scene, lambda: file.write_text(OPEN + NO_TONE))
    assert refused(scene, **consented) == {"policy.no-tone"}


def test_policy_file_widened_while_an_edit_runs(scene, file, consented):
    """What the policy at admission refuses at the output does not leave under a wider one."""
    follow(scene, file, OPEN + NO_TONE_LEAVES)
    midway(scene, lambda: file.write_text(OPEN))
    assert refused(scene, **consented) == {"policy.none-leaves"}
    assert scene.operator.snapshot().policy.digest == PolicyBundle.from_text(OPEN).digest


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("permit ("),
        lambda file: file.write_text(""),
        lambda file: file.write_bytes(b"\xff\xfe"),
        lambda file: file.unlink(),
        lambda file: (file.unlink(), file.mkdir()),
        lambda file: (file.write_text(OPEN + NO_TONE), file.chmod(0o666)),
    ],
    ids=["broken", "emptied", "no-text", "vanished", "folder", "foreign-hands"],
)
def test_policy_file_spoilt_while_an_edit_runs(scene, file, consented, spoil):
    """The last good policy stays in force, the edit leaves under it, and the operator is told."""
    midway(scene, lambda: spoil(file))
    result = scene.edit(**consented)
    assert scene.operator.decision(result.decision_id).policy_digest == PolicyBundle.from_text(OPEN).digest
    assert scene.operator.policy.problem


def test_policy_file_spoilt_permits_no_more_than_before(scene, file, consented):
    """A broken file does not bring back what the last good policy forbids."""
    follow(scene, file, OPEN + NO_TONE_LEAVES)
    midway(scene, lambda: file.write_text("permit (principal, action, resource"))
    assert refused(scene, **consented) == {"policy.none-leaves"}


def test_jurisdiction_shed_before_release(scene, consented):
    """A jurisdiction that the request named binds the release, whatever becomes of the request meanwhile."""
    request = scene.request(**consented, jurisdictions=("uk",))
    revealing(scene)
    scene.operator.policy = PolicyBundle.from_text(OPEN)
    midway(scene, lambda: object.__setattr__(request, "jurisdictions", ()))
    with pytest.raises(EditRefused) as caught:
        scene.editor.edit(request)
    assert "policy.uk-no-increase" in scene.exact(caught.value)


def test_policy_in_force_at_release_is_narrowed_too(scene, consented):
    """Log and record of a release name the policy in force then, within the request's jurisdictions."""
    other = PolicyBundle.from_text(OPEN, name="other")
    midway(scene, lambda: scene.operator.replace(policy=other))
    decision = scene.operator.decision(scene.edit(**consented, jurisdictions=("uk",)).decision_id)
    assert decision.policy == "other+uk" and decision.policy_digest != other.digest
    assert [part.policy for part in decision.met] == ["default+uk", "other+uk"]
    assert decision.policy_digest in scene.newest()


def test_jurisdiction_of_the_request_beside_the_operators_own(scene, consented):
    """Both bind: naming one does not put the other out of force."""
    scene.operator.policy = PolicyBundle.from_text(OPEN)
    scene.operator.jurisdictions = ("uk",)
    revealing(scene)
    codes = refused(scene, **consented, jurisdictions=("eu",))
    assert {code[:10] for code in codes if code.startswith("policy.")} == {"policy.uk-", "policy.eu-"}


def test_operators_jurisdiction_taken_away_while_an_edit_runs(scene, consented):
    """What was in force at admission counts at release."""
    scene.operator.policy = PolicyBundle.from_text(OPEN)
    scene.operator.jurisdictions = ("uk",)
    revealing(scene)
    midway(scene, lambda: setattr(scene.operator, "jurisdictions", ()))
    assert "policy.uk-no-increase" in refused(scene, **consented)


def test_operators_jurisdiction_added_while_an_edit_runs(scene, consented):
    """What is in force at release counts, though it was not at admission."""
    scene.operator.policy = PolicyBundle.from_text(OPEN)
    revealing(scene)
    midway(scene, lambda: setattr(scene.operator, "jurisdictions", ("uk",)))
    assert "policy.uk-no-increase" in refused(scene, **consented)


def test_unknown_jurisdiction_begins_nothing(scene, consented):
    """A request under a law that nobody wrote down is bad input; the known ones are named."""
    with pytest.raises(PolicyInvalid) as caught:
        scene.edit(**consented, jurisdictions=("atlantis",))
    assert "eu" in caught.value.remedy and "uk" in caught.value.remedy
    assert scene.entries == 0


def test_policy_swapped_for_one_that_clashes_with_the_jurisdiction(scene, consented):
    """Where old and new rules cannot be told apart nothing leaves, and the admitted edit does not vanish."""
    clashing = PolicyBundle.from_text(CLASHES)
    midway(scene, lambda: scene.operator.replace(policy=clashing))
    with pytest.raises(PolicyInvalid):
        scene.edit(**consented, jurisdictions=("uk",))
    assert scene.entries == 1 and "input.policy" in scene.newest()


def forbidding(facts):
    return [0]


def test_restriction_added_while_an_edit_runs(scene, consented):
    """A plug-in that is there at release binds it, though it was not there at admission."""
    late = Restriction(name="late", refuses=forbidding, reason="Not here.")
    midway(scene, lambda: setattr(scene.operator, "restrictions", (late,)))
    assert refused(scene, **consented) == {"policy.restriction-late"}


def test_restriction_taken_away_while_an_edit_runs(scene, consented):
    """A plug-in that was there at admission binds the release, though it is gone by then."""
    late = Restriction(
        name="late", refuses=lambda facts: [0] if facts.stage == "output" else [], reason="Not here."
    )
    scene.operator.restrictions = (late,)
    midway(scene, lambda: setattr(scene.operator, "restrictions", ()))
    assert refused(scene, **consented) == {"policy.restriction-late"}


@pytest.fixture
def releases(monkeypatch):
    """Every release that is asked for: the clearance and the file."""
    asked, genuine = [], Gate.release

    def spied(gate, clearance, finished):
        asked.append((gate, clearance, finished))
        return genuine(gate, clearance, finished)

    monkeypatch.setattr(Gate, "release", spied)
    return asked


def test_restriction_that_hangs_at_release(scene, consented, releases):
    """Silence refuses; and the file that was refused does not leave later, when the plug-in is gone."""
    answered = threading.Event()
    hanging = Restriction(
        name="hanging", refuses=lambda facts: answered.wait(30) and [], reason="Asks about.", deadline_s=0.05
    )
    midway(scene, lambda: setattr(scene.operator, "restrictions", (hanging,)))
    try:
        assert "check.restriction-failed" in refused(scene, **consented)
    finally:
        answered.set()
    scene.operator.restrictions = ()
    ((gate, clearance, finished),) = releases
    with pytest.raises(CheckFailed) as again:
        gate.release(clearance, finished)
    assert again.value.code == "check.clearance-spent"
    with pytest.raises(CheckFailed) as again:
        clearance.spend("sha256:00")
    assert again.value.code == "check.clearance-spent"


def raising(*_):
    raise RuntimeError("about a person")


class Nameless:
    """No policy at all; whatever is asked of it breaks."""

    def __getattr__(self, name):
        raise RuntimeError(name)


@pytest.mark.parametrize(
    ("shadow", "law"),
    [
        (lambda: replace(PolicyBundle.from_text(OPEN, name="raises"), _verdict=raising), ()),
        (lambda: replace(PolicyBundle.from_text(OPEN, name="raises"), _verdict=lambda context: "yes"), ()),
        (lambda: PolicyBundle.from_text(CLASHES, name="clashes"), ("uk",)),
        (Nameless, ()),
        (lambda: None, ()),
    ],
    ids=["raises", "nonsense", "clashes", "nameless", "nothing"],
)
def test_shadow_that_breaks_changes_nothing(scene, consented, shadow, law):
    """Whatever goes wrong in a shadow is noted, and the edit goes its way, released or refused."""
    scene.operator.shadows = (shadow(),)
    result = scene.edit(**consented, jurisdictions=law)
    kept = scene.operator.store.decision(result.decision_id)
    (note,) = kept["shadows"]
    assert set(note) == {"policy", "fault"} and note["fault"] and "a person" not in str(note)
    scene.operator.replace(policy=PolicyBundle.from_text(OPEN + NO_TONE))
    assert refused(scene, **consented) == {"policy.no-tone"}


def test_shadow_that_breaks_silences_no_other(scene, consented):
    """Each shadow is noted for itself, by its name."""
    scene.operator.shadows = (
        PolicyBundle.from_text(CLASHES, name="clashes"),
        PolicyBundle.from_text(OPEN, name="goes"),
    )
    result = scene.edit(**consented, jurisdictions=("uk",))
    first, second = scene.operator.store.decision(result.decision_id)["shadows"]
    assert first == {"policy": "clashes", "fault": "PolicyInvalid"}
    assert (second["policy"], second["allowed"]) == ("goes+uk", True)


def test_shadow_that_breaks_while_an_edit_is_written_off(scene, consented):
    """An admitted edit that breaks off stands in the log, whatever its shadow does."""
    scene.operator.shadows = (Nameless(),)
    midway(scene, lambda: 1 / 0)
    with pytest.raises(CheckFailed) as caught:
        scene.edit(**consented)
    assert caught.value.code == "check.edit-failed" and scene.entries == 1


def test_shadows_that_are_no_sequence(scene, consented):
    """An operator that says nonsense where shadows belong is told in the record, and edits go on."""
    scene.operator.shadows = 7
    result = scene.edit(**consented)
    assert scene.operator.store.decision(result.decision_id)["shadows"] == [
        {"policy": "", "fault": "TypeError"}
    ]
