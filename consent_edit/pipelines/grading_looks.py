"""What the built-in editor can be asked for, and by which signed effect an answer is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from consent_edit.pipelines.grading_colour import Floats, to_lab


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that must be true of the colours after a look was applied.

    Attributes:
        effect: A name among those ``effects`` measures.
        sign: +1 or -1: the direction asked for.
        least: ``sign * effect`` must be at least this, in units of CIE L*a*b*.
    """

    effect: str
    sign: int
    least: float = 0.3

    def holds(self, measured: Mapping[str, float]) -> bool:
        """Whether the measured effects bear the claim out."""
        return self.sign * measured[self.effect] >= self.least


def _up(effect: str, least: float = 0.3) -> Claim:
    return Claim(effect, 1, least)


def _down(effect: str, least: float = 0.3) -> Claim:
    return Claim(effect, -1, least)


LOOKS: Final[Mapping[str, tuple[Claim, ...]]] = MappingProxyType(
    {
        "brighter": (_up("light"),),
        "darker": (_down("light"),),
        "contrast_up": (_up("contrast"),),
        "contrast_down": (_down("contrast"),),
        "warmer": (_up("warmth"),),
        "cooler": (_down("warmth"),),
        "saturated": (_up("chroma"),),
        "muted": (_down("chroma"),),
        "black_and_white": (_down("chroma_left", -4.0),),
        "sepia": (_up("warmth_left", 4.0), _down("hue_spread", -14.0)),
        "vintage": (_up("warmth"), _up("blacks")),
        "fade": (_up("blacks"), _down("contrast")),
        "moody": (_down("light"), _down("chroma")),
        "golden_hour": (_up("warmth"), _up("redness")),
        "teal_orange": (_up("split"),),
        "greener": (_down("redness"),),
        "magenta": (_up("redness"),),
        "lift_shadows": (_up("shadows"),),
        "deepen_shadows": (_down("shadows"),),
        "recover_highlights": (_down("highlights"),),
        "soft": (_down("contrast"), _down("chroma")),
        "dramatic": (_up("contrast"),),
        "winter": (_down("warmth"),),
        "summer": (_up("warmth"), _up("light")),
        "night": (_down("light", 3.0), _down("warmth")),
    }
)
"""Every look by name, with the claims that an answer to it must bear out."""

EXAMPLES: Final = (
    "make it warmer",
    "slightly brighter",
    "less contrast",
    "black and white",
    "golden hour light",
    "lift the shadows",
)
"""What a refusal shows as things that can be asked."""


def effects(before: Floats, after: Floats) -> dict[str, float]:
    """Signed effects of an edit on the same colours, in units of CIE L*a*b*.

    Args:
        before: (n, 3) sRGB values in [0, 1].
        after: The same colours graded, (n, 3).

    Returns:
        ``light``, ``warmth`` (b*), ``redness`` (a*, negative is green) and ``chroma``: change of the mean;
        ``contrast``: change of the standard deviation of L*; ``shadows``, ``highlights``, ``blacks``: change
        of the mean L* of the darkest 30 %, lightest 30 % and darkest 5 %; ``split``: change of b* in the
        lightest 30 % less that in the darkest 30 %; ``chroma_left``, ``warmth_left``, ``hue_spread``: mean
        chroma, mean b*, and summed standard deviations of a* and b*, afterwards.
    """
    old, new = to_lab(before), to_lab(after)
    change = new - old
    chroma_old, chroma_new = np.hypot(old[:, 1], old[:, 2]), np.hypot(new[:, 1], new[:, 2])
    order = np.argsort(old[:, 0], kind="stable")
    third, twentieth = max(1, len(order) * 3 // 10), max(1, len(order) // 20)
    dark, bright, black = order[:third], order[-third:], order[:twentieth]
    return {
        "light": float(change[:, 0].mean()),
        "redness": float(change[:, 1].mean()),
        "warmth": float(change[:, 2].mean()),
        "chroma": float((chroma_new - chroma_old).mean()),
        "contrast": float(new[:, 0].std() - old[:, 0].std()),
        "shadows": float(change[dark, 0].mean()),
        "highlights": float(change[bright, 0].mean()),
        "blacks": float(change[black, 0].mean()),
        "split": float(change[bright, 2].mean() - change[dark, 2].mean()),
        "chroma_left": float(chroma_new.mean()),
        "warmth_left": float(new[:, 2].mean()),
        "hue_spread": float(new[:, 1].std() + new[:, 2].std()),
    }


def borne_out(look: str, measured: Mapping[str, float]) -> bool:
    """Whether every claim of a look holds for the measured effects.

    Raises:
        KeyError: the look is not one of LOOKS.
    """
    return all(claim.holds(measured) for claim in LOOKS[look])
