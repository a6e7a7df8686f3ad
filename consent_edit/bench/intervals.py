"""95 % intervals of shares, bootstrapped by person: pictures of one person do not count as independent."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_DRAWS: Final = 2000


def by_person(hits: NDArray[np.bool_]) -> tuple[float, float]:
    """The interval of a mean.

    Args:
        hits: bool (people,) or (people, tries).

    Returns:
        The 2.5 % and 97.5 % quantiles over resampled people.
    """
    shares = hits.reshape(len(hits), -1).mean(axis=1)
    draws = np.random.default_rng(0).integers(0, len(shares), (_DRAWS, len(shares)))
    low, high = np.quantile(shares[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)
