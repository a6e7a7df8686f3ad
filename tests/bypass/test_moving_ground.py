"""The ground moves while an edit runs: trust, policy, clock, uses, the signing key, perception itself."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from consent_world import ConsentWorld
from fake_perception import picture, seen_face

from consent_edit.consent.status.lists import StatusLists
from consent_edit.errors import CheckFailed, ConsentEditError, EditRefused, StoreUnavailable
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.request import EditResult
from consent_edit.vocabulary import Operation

NOTHING = """
@id("house-rule") @reason("Tone is not done here today.")
permit (principal, action == Action::"edit", resource)
unless { context.operations.contains(Operation::"tone") };
"""


def consenting(scene, **changes):
    scene.shows([seen_face(1)], [seen_face(1)])
    person = scene.person(1)
    return person, person.grant(operations={Operation.TONE}, **changes)


def test_uses_are_counted_where_the_tests_look(scene):
    """A release counts one use."""
    _, grant = consenting(scene)
    scene.edit(presentations=(grant.presentation(),))
    assert scene.uses(grant) == 1


def test_policy_replaced_while_an_edit_runs(scene):
    """What the new policy refuses does not leave under the old one."""
    _, grant = consenting(scene)
    scene.perception.before_change = lambda: scene.operator.replace(policy=PolicyBundle.from_text(NOTHING))
    with pytest.raises(EditRefused):
        scene.edit(presentations=(grant.presentation(),))
    assert scene.uses(grant) == 0


def test_issuer_dropped_while_an_edit_runs(scene):
    """Consent under an issuer that is trusted no longer does not count at release."""
    _, grant = consenting(scene)
    other = ConsentWorld.make(name="https://other.example").trust
    scene.perception.before_change = lambda: scene.operator.replace(trust=other)
    with pytest.raises(EditRefused) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert "consent.issuer_untrusted" in scene.exact(refused.value)


def test_trust_replaced_at_the_last_reading_of_consent(scene):
    """A trust list replaced between the reading of consent and the release stops the release."""
    _, grant = consenting(scene)
    other = ConsentWorld.make(name="https://other.example").trust
    source = scene.world.issuer.status.source(scene.world.clock)
    running = []

    def replacing(uri):
        if running:
            scene.operator.replace(trust=other)
        return source(uri)

    scene.operator.statuses = StatusLists({"https://issuer.example/status/1": replacing})
    scene.perception.before_change = lambda: running.append(1)
    with pytest.raises(ConsentEditError):
        scene.edit(presentations=(grant.presentation(),))
    assert scene.uses(grant) == 0


@pytest.mark.parametrize("seconds", [1, 30, 3600])
def test_clock_set_back_while_an_edit_runs(scene, seconds):
    """Consent is not read again at an older time, when a withdrawal since may still look to come."""
    _, grant = consenting(scene)
    clock = scene.world.clock
    scene.perception.before_change = lambda: setattr(clock, "now", clock.now - seconds)
    with pytest.raises((CheckFailed, StoreUnavailable)) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert refused.value.code == "check.clock-behind"


def test_clock_behind_the_log(scene):
    """With the clock behind the newest entry nothing is begun."""
    scene.edit()
    scene.world.clock.now -= 3600
    scene.perception.saw.clear()
    with pytest.raises(StoreUnavailable) as refused:
        scene.edit()
    assert refused.value.code == "check.clock-behind" and not scene.perception.saw


def test_key_that_cannot_sign(scene):
    """What cannot be receipted leaves no use counted and no release in the log."""

    class Lost:
        def __getattr__(self, name):
            raise RuntimeError("the key is gone")

    _, grant = consenting(scene)
    scene.operator.receipt_key = Lost()
    with pytest.raises(CheckFailed) as refused:
        scene.edit(presentations=(grant.presentation(),))
    assert refused.value.code == "check.edit-failed"
    assert scene.uses(grant) == 0
    assert '"event":"refusal"' in scene.newest() and scene.entries == 1


@pytest.mark.parametrize("moment", ["observe_image", "read_prompt", "observe_change"])
def test_perception_that_raises(scene, moment):
    """A perception that raises where it never should releases nothing, and nothing foreign leaves."""

    def raising(*arguments, **keywords):
        raise ValueError("about a person")

    setattr(scene.perception, moment, raising)
    with pytest.raises(CheckFailed) as refused:
        scene.edit()
    assert refused.value.code == "check.edit-failed" and "person" not in refused.value.message


def test_perception_that_raises_after_admission_is_recorded(scene):
    """An admitted edit that breaks off stands in the log."""
    scene.perception.observe_change = lambda *a: 1 / 0
    with pytest.raises(CheckFailed):
        scene.edit()
    assert scene.entries == 1 and "check.edit-failed" in scene.newest()


def test_perception_that_forges_a_refusal(scene):
    """A refusal that the gate did not write down is none."""
    forged = EditRefused("no", codes=("consent.revoked",), decision_id="0" * 32)

    def raising(*arguments, **keywords):
        raise forged

    scene.perception.observe_change = raising
    with pytest.raises(CheckFailed):
        scene.edit()
    assert scene.entries == 1


@pytest.mark.parametrize("call", [1, 2], ids=["input", "output"])
def test_perception_of_another_picture(scene, call):
    """An observation of another picture speaks for no picture."""
    genuine, calls = scene.perception.observe_image, []

    def confused(image):
        calls.append(1)
        return genuine(picture(99) if len(calls) == call else image)

    scene.perception.observe_image = confused
    with pytest.raises(CheckFailed) as refused:
        scene.edit()
    assert refused.value.code in {"check.observation", "check.bytes-changed"}


def test_refused_output_burns_no_use(scene):
    """A use is counted with a release and with nothing else."""
    _, grant = consenting(scene, max_uses=1)
    scene.shows([seen_face(1)], [seen_face(1), seen_face(7)])
    with pytest.raises(EditRefused):
        scene.edit(presentations=(grant.presentation(),))
    assert scene.uses(grant) == 0


def racing(scene, grant):
    """An edit whose last use is taken by another one just before it is released."""
    request = scene.request(presentations=(grant.presentation(),))
    genuine, armed = scene.operator.store.uses, []

    def taken(grant_id):
        count = genuine(grant_id)
        if armed and armed.pop() == "last":
            scene.operator.store.commit_release(
                grants=[(grant_id, 1)],
                record={"decision_id": "other", "stage": "output"},
                leaf={"v": 1},
                now=scene.world.clock(),
            )
        return count

    scene.operator.store.uses = taken
    scene.perception.before_change = lambda: armed.extend(["last", "under the old trust"])
    return request


def test_last_use_taken_by_a_race(scene):
    """Of two edits racing for the last use one is refused, and its error chain does not say why."""
    _, grant = consenting(scene, max_uses=1)
    with pytest.raises(EditRefused) as refused:
        scene.editor.edit(racing(scene, grant))
    assert scene.uses(grant) == 1
    assert "consent.exhausted" in scene.exact(refused.value)
    error, told = refused.value, []
    while error is not None:
        told += [type(error).__name__, str(error), getattr(error, "code", "")]
        error = error.__cause__ or error.__context__
    assert not any(word in " ".join(told) for word in ("exhausted", "use left", "ConsentInvalid"))


def test_eight_threads_and_a_cap_of_two(scene):
    """However edits race, no more are released than the grant allows."""
    _, grant = consenting(scene, max_uses=2)
    results: list[object] = []

    def ask():
        try:
            results.append(scene.edit(presentations=(grant.presentation(),)))
        except ConsentEditError as error:
            results.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert sum(isinstance(result, EditResult) for result in results) == scene.uses(grant) <= 2


def test_tightened_threshold_while_an_edit_runs(scene):
    """A threshold tightened meanwhile counts at release."""
    _, grant = consenting(scene)

    def tighten():
        scene.operator.thresholds = replace(scene.operator.thresholds, match_face_embedding=0.999)

    scene.perception.before_change = tighten
    with pytest.raises(EditRefused):
        scene.edit(presentations=(grant.presentation(),))
