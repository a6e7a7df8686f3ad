"""How often ordinary photographs, blurred as pictures are half-way through a run, are called plainly nude.

    python scripts/measure_preview.py FOLDER [--pictures 200]

FOLDER holds photographs (jpg, png) that show no nudity, at any depth. Each is brought to 384 px, blurred in
three strengths and its exposure read; a hit is one that would end a run half-way.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from consent_edit.perception.exposure.look import ExposureCheck
from consent_edit.perception.exposure.views import SECOND, WHOLE
from consent_edit.perception.models.store import ModelStore
from consent_edit.pipelines.preview import sure
from consent_edit.thresholds import load_thresholds

SIDE = 384
BLURS = (2.0, 4.0, 8.0)
"""Standard deviations in pixels of 384: edges are gone at the first, faces at the last."""


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=200)
    asked = parser.parse_args()
    files = sorted(one for one in asked.folder.rglob("*") if one.suffix.lower() in {".jpg", ".jpeg", ".png"})
    files = [files[int(i)] for i in np.linspace(0, len(files) - 1, min(asked.pictures, len(files)))]
    limits, hits, highest = load_thresholds(), 0, {WHOLE: 0.0, WHOLE + SECOND: 0.0}
    bar, check = limits.preview_nude, ExposureCheck(ModelStore(), limits)
    for file in files:
        picture = Image.open(file).convert("RGB")
        picture.thumbnail((SIDE, SIDE))
        for blur in BLURS:
            blurred = np.array(picture.filter(ImageFilter.GaussianBlur(blur)))
            seen = check.read(blurred, []).picture
            hits += sure(seen, bar)
            highest = {name: max(score, seen.scores.get(name, 0.0)) for name, score in highest.items()}
    told = {"pictures": len(files), "looks": len(files) * len(BLURS), "hits": hits, "bar": bar}
    print(json.dumps({**told, "highest": {name: round(score, 3) for name, score in highest.items()}}))


if __name__ == "__main__":
    main()
