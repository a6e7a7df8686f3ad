"""A mask asks without words: what it reaches counts as asked for."""

from __future__ import annotations

import numpy as np
import pytest

from consent_edit.assembly import under_mask
from consent_edit.errors import InputError
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.mask import painted_over, plain_mask
from consent_edit.perception.observation import ChangeObservation, CheckRun, PromptObservation
from consent_edit.vocabulary import CheckName, CheckOutcome, ExposureChange, Intent, Operation, Region


def words(*operations: Operation, intent: Intent = Intent.ORDINARY) -> PromptObservation:
    run = CheckRun(CheckName.PROMPT_INTENT, CheckOutcome.RAN)
    return PromptObservation(intent, frozenset(operations), "en", False, (run,))


def reach(*touched: set[Region], unseen: set[Region] | frozenset[Region] = frozenset()) -> ChangeObservation:
    moved = ExposureChange.NONE
    return ChangeObservation(
        tuple(map(frozenset, touched)), (), frozenset(unseen), True, False, (), moved, ()
    )


@pytest.mark.parametrize("reached", [Region.BODY, Region.UNDETERMINED])
@pytest.mark.parametrize("said", [(), (Operation.BACKGROUND,), (Operation.TONE,), (Operation.HAIR,)])
def test_empty_or_innocent_words_with_a_mask_over_a_body_are_undetermined(said, reached):
    """Where the words do not say what becomes of the body, nobody can tell what is asked."""
    prompt, operations = under_mask(words(*said), frozenset(said), reach({reached}))
    assert prompt.intent is Intent.UNDETERMINED
    assert operations == {*said, Operation.BODY}


def test_a_mask_over_a_body_nobody_found_reaches_it_too():
    """Pixels that look like somebody unseen count like those of somebody found."""
    prompt, operations = under_mask(words(), frozenset(), reach(unseen={Region.BODY}))
    assert (prompt.intent, operations) == (Intent.UNDETERMINED, {Operation.BODY})


def test_words_that_say_what_becomes_of_the_body_are_read_as_they_are():
    """Clothing asked for explains a mask over the body, and nothing beyond it."""
    asked = frozenset({Operation.CLOTHING})
    prompt, operations = under_mask(words(*asked), asked, reach({Region.BODY}))
    assert (prompt.intent, operations) == (Intent.ORDINARY, asked)
    prompt, operations = under_mask(words(*asked), asked, reach({Region.BODY, Region.FACE}))
    assert operations == {Operation.CLOTHING, Operation.EXPRESSION}


def test_an_operation_the_requester_merely_declares_does_not_stand_for_words():
    """Declaring clothing beside an empty prompt does not make the intent readable."""
    prompt, _ = under_mask(words(), frozenset({Operation.CLOTHING}), reach({Region.BODY}))
    assert prompt.intent is Intent.UNDETERMINED


@pytest.mark.parametrize("intent", [Intent.SEXUAL, Intent.REVEALING, Intent.UNDETERMINED])
def test_a_mask_never_makes_an_intent_milder(intent):
    """What was read as worse stays so."""
    assert under_mask(words(intent=intent), frozenset(), reach({Region.BODY}))[0].intent is intent


def test_a_mask_that_reaches_nobody_asks_for_nothing_more():
    """A mask over the sky leaves prompt and operations as they were."""
    asked = frozenset({Operation.BACKGROUND})
    assert under_mask(words(*asked), asked, reach(set())) == (words(*asked), asked)


def test_latents_or_a_picture_smuggled_in_a_mask():
    """Whatever shades a mask has, black and white is what the pipeline gets."""
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 255, (16, 24, 3), dtype=np.uint8)
    shades[:, :8] //= 4
    picture = CanonicalImage.of(shades)
    plain = plain_mask(picture, picture)
    assert set(np.unique(plain.pixels)) == {0, 255}
    assert np.ptp(plain.pixels, axis=2).max() == 0


def test_a_mask_of_another_size_is_refused():
    """Stretched to fit it would lie over other pixels than were judged."""
    small, large = (CanonicalImage.of(np.zeros((side, side, 3), np.uint8)) for side in (16, 32))
    with pytest.raises(InputError) as refused:
        plain_mask(small, large)
    assert refused.value.code == "input.mask"


def test_painting_over_changes_every_masked_pixel_and_no_other():
    """No colour hides from the comparison."""
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    picture = CanonicalImage.of(np.ascontiguousarray(shades))
    half = np.zeros((16, 16, 3), np.uint8)
    half[:, :8] = 255
    changed = np.abs(painted_over(picture, CanonicalImage.of(half)).pixels.astype(int) - picture.pixels)
    assert changed[:, :8].min() >= 127
    assert changed[:, 8:].max() == 0
