"""The pictures that the change check is measured on, and what an autoencoder makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.bench.change import Pixels, Scene, shrunk
from consent_edit.bench.labelled import counted, portraits, read_picture
from consent_edit.errors import ArgumentRejected, Unavailable
from consent_edit.perception.checks import Checks
from consent_edit.perception.models.store import ModelStore
from consent_edit.thresholds import Thresholds
from consent_edit.vocabulary import CheckName, PersonKind

_SIDE: Final = 512
_KINDS: Final = ("AutoencoderKL", "AutoencoderTiny", "AutoencoderKLFlux2", "AutoencoderKLQwenImage")
_REMEDY: Final = "give the folder of an AutoencoderKL or AutoencoderTiny, with config.json and its weights"


def scenes(
    folder: Path,
    count: int,
    limits: Thresholds,
    *,
    autoencoder: Callable[[Pixels], Pixels] | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> tuple[Scene, ...]:
    """Counted pictures first, then portraits, one a person: those in which a face is found.

    Args:
        folder: The folder of labelled photographs.
        count: Scenes at most.
        autoencoder: Encodes and decodes; its answer is one more edit that touches nobody.
        told: Is told of progress.

    Raises:
        ArgumentRejected: the folder is not laid out so, or no face is found in it.
        ModelUnavailable: the face detector is missing.
    """
    checks = Checks(ModelStore(), limits)
    checks.load(CheckName.FACE_DETECTION)
    named = [(path.name, path) for path, faces in counted(folder) if faces]
    named += [(portrait.person, portrait.path) for portrait in portraits(folder, count)]
    found: list[Scene] = []
    for name, path in named:
        if len(found) == count:
            break
        told(f"faces {len(found) + 1}/{count}")
        pixels = shrunk(read_picture(path), _SIDE)
        faces = tuple(
            replace(face, embeddings={}) for face in checks.detect(pixels) if face.kind is PersonKind.FACE
        )
        if not faces:
            continue
        saved = {} if autoencoder is None else {"autoencoder": autoencoder(pixels)}
        found.append(Scene(name, pixels, faces, saved))
    if not found:
        raise ArgumentRejected(f"no face is found in {folder.name}", remedy="give a folder of portraits")
    return tuple(found)


def round_trip(folder: Path) -> Callable[[Pixels], Pixels]:
    """What the autoencoder in a diffusers folder makes of a picture.

    Args:
        folder: Holds ``config.json`` and the weights; nothing is fetched.

    Raises:
        Unavailable: torch or diffusers is not installed.
        ArgumentRejected: no autoencoder is in that folder.
    """
    try:
        import diffusers
        import torch
    except ImportError as error:
        raise Unavailable(
            "an autoencoder needs torch and diffusers",
            code="check.autoencoder",
            remedy="pip install 'consent-edit[pipelines]'",
        ) from error
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8"))["_class_name"]
        if kind not in _KINDS:
            raise ArgumentRejected(f"{folder.name} holds no autoencoder known here", remedy=_REMEDY)
        model = getattr(diffusers, kind).from_pretrained(
            folder, local_files_only=True, torch_dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentRejected(
            f"{folder.name} holds no autoencoder ({type(error).__name__})", remedy=_REMEDY
        ) from error
    model.eval()

    def edit(pixels: Pixels) -> Pixels:
        with torch.inference_mode():
            given = torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
            told = model.encode(given)
            latents = told.latent_dist.mode() if hasattr(told, "latent_dist") else told.latents
            made: NDArray[np.float32] = model.decode(latents).sample[0].permute(1, 2, 0).numpy()
        return np.asarray(((made + 1) * 127.5).round().clip(0, 255), dtype=np.uint8)

    return edit
