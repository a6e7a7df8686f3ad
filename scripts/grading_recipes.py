"""The edits the colour-grading editor learns: sliders for each look, given the picture's statistics."""

from __future__ import annotations

from typing import Final

import numpy as np

from consent_edit.pipelines.grading_colour import SLIDERS

# Sliders at normal degree. Saturation below -1 makes sure of grey in spite of the model's small errors.
RECIPES: Final[dict[str, dict[str, float]]] = {
    "brighter": {"exposure": 0.35, "midtones": 0.25},
    "darker": {"exposure": -0.35, "midtones": -0.25},
    "contrast_up": {"contrast": 0.55},
    "contrast_down": {"contrast": -0.5, "black_lift": 0.1},
    "warmer": {"temperature": 0.5},
    "cooler": {"temperature": -0.5},
    "saturated": {"saturation": 0.5, "vibrance": 0.2},
    "muted": {"saturation": -0.5},
    "black_and_white": {"saturation": -1.3},
    "sepia": {"saturation": -1.3, "gain_red": 0.2, "gain_green": 0.0, "gain_blue": -0.5},
    "vintage": {
        "temperature": 0.35,
        "saturation": -0.2,
        "black_lift": 0.45,
        "contrast": -0.15,
        "lift_red": 0.1,
    },
    "fade": {"black_lift": 0.65, "contrast": -0.35, "saturation": -0.15},
    "moody": {
        "exposure": -0.3,
        "midtones": -0.15,
        "saturation": -0.4,
        "temperature": -0.15,
        "contrast": 0.15,
    },
    "golden_hour": {
        "temperature": 0.65,
        "tint": 0.3,
        "saturation": 0.15,
        "gain_red": 0.1,
        "gain_blue": -0.15,
    },
    "teal_orange": {
        "lift_red": -0.5,
        "lift_green": 0.1,
        "lift_blue": 0.6,
        "gain_red": 0.2,
        "gain_blue": -0.35,
        "contrast": 0.25,
    },
    "greener": {"tint": -0.65},
    "magenta": {"tint": 0.7},
    "lift_shadows": {"shadows": 0.6},
    "deepen_shadows": {"shadows": -0.5, "black_lift": -0.15},
    "recover_highlights": {"highlights": -0.5, "white_point": -0.1},
    "soft": {"contrast": -0.45, "saturation": -0.3, "midtones": 0.2, "black_lift": 0.2},
    "dramatic": {"contrast": 0.75, "saturation": 0.1, "exposure": -0.1},
    "winter": {"temperature": -0.6, "saturation": -0.2, "exposure": 0.08},
    "summer": {"temperature": 0.4, "saturation": 0.25, "exposure": 0.25, "midtones": 0.15},
    "night": {"exposure": -0.75, "midtones": -0.3, "temperature": -0.6, "saturation": -0.35},
}

_MEAN_LIGHT, _MEAN_B, _MEAN_CHROMA = 0, 8, 9  # places in grading_colour.statistics
_BARELY: Final = 1e-9


def target_sliders(looks: tuple[str, ...], degree: float, figures: np.ndarray) -> np.ndarray:
    """Sliders for the looks asked together.

    Args:
        looks: Names of looks, one or two.
        degree: Factor of strength: .5 slight, 1 normal, 1.7 strong.
        figures: (15,) statistics of the picture; what it has already, it gets less of.

    Returns:
        (17,) float32 within [-1.3, 1.3].
    """
    total = np.zeros(len(SLIDERS), dtype=np.float32)
    light, b_star, chroma = figures[_MEAN_LIGHT], figures[_MEAN_B], figures[_MEAN_CHROMA]
    for look in looks:
        for name, amount in RECIPES[look].items():
            strength = 1.0 if look in {"black_and_white", "sepia"} else degree
            match name:
                case "exposure" | "midtones":
                    strength *= np.clip(1.5 - light if amount > 0 else 0.5 + light, 0.6, 1.4)
                case "temperature":
                    strength *= np.clip(1 - b_star * np.sign(amount), 0.7, 1.3)
                case "saturation" if amount > _BARELY:
                    strength *= np.clip(1.3 - chroma, 0.6, 1.3)
            total[SLIDERS.index(name)] += amount * strength
    return np.clip(total, -1.3, 1.3)
