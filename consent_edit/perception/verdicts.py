"""What was seen in a picture is kept while the models that saw it run: a chain's output is looked at once."""

from __future__ import annotations

from collections import OrderedDict

from consent_edit.perception.observation import ImageObservation
from consent_edit.vocabulary import CheckOutcome


class Verdicts:
    """The newest complete observations by pixel digest; in memory only, since they hold embeddings (G8).

    The owner forgets them all with the models and thresholds that gave them.

    Args:
        limit: Observations kept; none at 0.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[str, ImageObservation] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, digest: str) -> ImageObservation | None:
        """What was seen in the picture of this digest; ``None`` where it was not looked at."""
        found = self._kept.get(digest)
        if found is not None:
            self._kept.move_to_end(digest)
        return found

    def keep(self, seen: ImageObservation) -> None:
        """Keep an observation in which every check answered; any other must be looked at again."""
        if any(run.outcome is not CheckOutcome.RAN for run in seen.checks):
            return
        self._kept[seen.digest] = seen
        self._kept.move_to_end(seen.digest)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def forget(self) -> None:
        """Let go of all of them."""
        self._kept.clear()
