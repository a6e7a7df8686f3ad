"""What the examples share: their options, whose operator they run under, and what is edited.

With ``--tiny`` everybody is made up: an operator, an issuer that vouches for nobody real, and three edits.
Two show the astronaut who comes with scikit-image. She gave no consent: her simulated one counts in the
demo's own little world alone, and a file released under it would say so in a band.
"""

from __future__ import annotations

import argparse
import atexit
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from consent_edit import ConsentEditor, EditRefused, EditResult, Operation, Operator, operator_folder
from consent_edit.demo.photos import astronaut
from consent_edit.demo.world import GRANTEE, DemoWorld
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines.guarded import GuardedOutput

CONSENT = "consent.json"


@dataclass(frozen=True)
class Edit:
    """One edit that an example asks for; ``mask`` is white where the picture may change."""

    name: str
    image: Image.Image
    prompt: str
    consent: tuple[str, ...] = ()
    operations: frozenset[Operation] = frozenset()
    mask: Image.Image | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What an example runs with; without a ``perception`` the guard starts a process of its own."""

    edits: tuple[Edit, ...]
    out: Path
    grantee: str
    tiny: bool
    model: str = ""
    operator: Operator | None = None
    perception: PerceptionProcess | None = None

    @property
    def steps(self) -> int:
        """Denoising steps; random weights draw garbage in one."""
        return 1 if self.tiny else 28

    def released(self, edit: Edit, result: EditResult | GuardedOutput) -> None:
        """Write the checked file, and its receipt beside it."""
        file = self.out / f"{edit.name}.png"
        file.write_bytes(result.released)
        file.with_suffix(".receipt.json").write_text(result.receipt)
        print(f"{edit.name}: released, {file}")

    def refused(self, edit: Edit, refusal: EditRefused) -> None:
        """Say what the requester may know: which boxes need consent, and what to do."""
        print(f"{edit.name}: refused, {', '.join(refusal.codes)}")
        for place, box in zip(refusal.pictures, refusal.boxes, strict=True):
            print(f"  {place} {box}")
        for remedy in refusal.remedies:
            print(f"  -> {remedy}")


def options(doc: str, *, model: str = "") -> argparse.ArgumentParser:
    """The options of an example, whose first docstring line describes it."""
    known = argparse.ArgumentParser(description=doc.splitlines()[0])
    known.add_argument("--tiny", action="store_true", help="random weights and a made-up operator, on a CPU")
    known.add_argument("--model", default=model, help="folder or id of the weights [%(default)s]")
    known.add_argument("--operator", type=Path, help="made by: consent-edit operator init")
    known.add_argument("--grantee", default="app:example", help="who edits, as grants name it")
    known.add_argument("--photo", type=Path, help="picture to edit")
    known.add_argument("--mask", type=Path, help="white where the picture may change")
    known.add_argument("--prompt", default="replace the background with a forest")
    known.add_argument("--consent", type=Path, action="append", default=[], help="of a person depicted")
    known.add_argument("--out", type=Path, default=Path("examples-out"))
    return known


def scene(doc: str, argv: Sequence[str] | None, *, model: str = "", mask: bool = False) -> Scene:
    """What the options ask for."""
    known = options(doc, model=model)
    asked = known.parse_args(argv)
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.tiny:
        world = demo_world()
        edits = tuple(tiny_edits(consent_for(world)))
        given = {"operator": world.operator, "perception": world.perception}
        return Scene(edits=edits, out=asked.out, grantee=GRANTEE, tiny=True, **given)
    if not asked.operator or not asked.photo or (mask and not asked.mask):
        known.error(f"name --operator and --photo{' and --mask' if mask else ''}, or try --tiny")
    operator = operator_folder.load(asked.operator)
    given = {"operator": operator, "model": asked.model}
    return Scene(edits=(own_edit(asked),), out=asked.out, grantee=asked.grantee, tiny=False, **given)


def own_edit(asked: argparse.Namespace) -> Edit:
    """The edit of a picture of one's own."""
    return Edit(
        name=asked.photo.stem,
        image=Image.open(asked.photo),
        prompt=asked.prompt,
        consent=tuple(file.read_text() for file in asked.consent),
        mask=Image.open(asked.mask) if asked.mask else None,
    )


def tiny_edits(consent: str) -> Iterator[Edit]:
    """Nobody is shown: released. She was not asked: refused. She was, and comes out as nobody: refused."""
    nobody, her = landscape(), Image.fromarray(portrait().pixels)
    forest, painting = "replace the background with a forest", "turn it into a watercolour painting"
    yield Edit("nobody", nobody, forest, (), frozenset({Operation.BACKGROUND}), corner(nobody))
    yield Edit("unasked", her, forest, (), frozenset(), corner(her))
    yield Edit("consented", her, painting, (consent,), frozenset({Operation.STYLISE}), corner(her))


@cache
def demo_world() -> DemoWorld:
    """A made-up operator, and an issuer that has the astronaut enrolled; gone when the program ends."""
    folder = tempfile.TemporaryDirectory()
    perception = PerceptionProcess()
    atexit.register(folder.cleanup)
    atexit.register(perception.close)
    return DemoWorld.create(astronaut(), perception, Path(folder.name))


def consent_for(world: DemoWorld) -> str:
    """Her simulated consent to any edit of her portrait, as a wallet would hand it over."""
    (presentation,) = world.consent(operations=tuple(Operation), photo=portrait())
    return presentation.to_json()


def demo_editor(folder: str) -> ConsentEditor:
    """What the engine of ``engine_process.py`` serves with ``--tiny``; called in the engine."""
    from _tiny import instruct_pix2pix

    world = demo_world()
    Path(folder, CONSENT).write_text(consent_for(world))
    return ConsentEditor(instruct_pix2pix(), world.operator, perception=world.perception)


def portrait() -> CanonicalImage:
    """The part of the astronaut's picture that shows her face."""
    return CanonicalImage.of(astronaut().pixels[:288, 80:368])


def landscape() -> Image.Image:
    """Sky over sand, and nobody there."""
    height = np.linspace(0, 1, 128)[:, None, None]
    sky, sand = np.array([90, 140, 220.0]), np.array([200, 180, 120.0])
    pixels = np.broadcast_to(sky * (1 - height) + sand * height, (128, 160, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def corner(picture: Image.Image) -> Image.Image:
    """A mask that is white where nobody stands."""
    mask = Image.new("L", picture.size, 0)
    mask.paste(255, (0, 0, picture.width // 4, picture.height // 4))
    return mask
