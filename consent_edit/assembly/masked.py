"""What a mask reaches: the pixels a pipeline may repaint are read as if they had been repainted."""

from __future__ import annotations

from dataclasses import replace

from consent_edit.perception.observation import ChangeObservation, PromptObservation
from consent_edit.vocabulary import MEASURED_OPERATION, OPERATION_REGIONS, Intent, Operation, Region

_BODY = frozenset({Region.BODY, Region.UNDETERMINED})


def under_mask(
    prompt: PromptObservation, operations: frozenset[Operation], reach: ChangeObservation
) -> tuple[PromptObservation, frozenset[Operation]]:
    """What an edit under a mask comes to.

    A mask asks without words. Parts of people that it reaches, and that no operation explains, count as
    operations of their own. Where it reaches a body and the words do not say what becomes of it, or say
    nothing at all, nobody can tell what is asked: the intent is undetermined.

    Args:
        prompt: What the words ask for.
        operations: Asked for and read in the words.
        reach: The picture against itself with everything under the mask painted over.

    Returns:
        The prompt as it reads together with the mask, and the operations.
    """
    reached = frozenset[Region]().union(reach.unseen_touched, *reach.touched)
    unsaid = reached & _BODY - _explained(prompt.operations)
    asked = operations | {MEASURED_OPERATION[region] for region in reached - _explained(operations)}
    if unsaid and prompt.intent is Intent.ORDINARY:
        return replace(prompt, intent=Intent.UNDETERMINED), asked
    return prompt, asked


def _explained(operations: frozenset[Operation]) -> frozenset[Region]:
    """The parts of a person that some operations are about."""
    return frozenset[Region]().union(*(OPERATION_REGIONS[operation] for operation in operations))
