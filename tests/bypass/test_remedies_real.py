"""Remedies under the real perception: two shipped photographs side by side, one person consenting."""

from __future__ import annotations

import json

import numpy as np
import pytest
from consent_world import ConsentWorld
from fake_perception import Scene
from PIL import Image

from consent_edit.errors import EditRefused
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.intake.decode import decode
from consent_edit.pipelines import runner
from consent_edit.remedies.anonymise import anonymised
from consent_edit.remedies.crop import crop_window
from consent_edit.remedies.figures import is_shown
from consent_edit.vocabulary import CheckOutcome, Operation

WARM = np.array([1.06, 1.0, 0.94])


@pytest.fixture(scope="module")
def perception():
    from consent_edit.perception.process import Deadlines, PerceptionProcess

    patient = Deadlines(start=300, load=300, run=120)  # a machine full of tests is slow, not broken
    with PerceptionProcess(deadlines=patient) as process:
        yield process


@pytest.fixture(scope="module")
def photo():
    """The astronaut, a grey wall, and Grace Hopper, 1000 x 512."""
    data = pytest.importorskip("skimage.data", reason="scikit-image carries the astronaut photograph")
    cbook = pytest.importorskip("matplotlib.cbook", reason="matplotlib carries the Grace Hopper portrait")
    with Image.open(cbook.get_sample_data("grace_hopper.jpg")) as picture:
        hopper = picture.convert("RGB").resize((400, 469))
    astronaut = Image.fromarray(data.astronaut()).resize((400, 400))
    wall = Image.new("RGB", (1000, 512), (127, 127, 127))
    wall.paste(astronaut, (0, 112))
    wall.paste(hopper, (600, 43))
    return CanonicalImage.of(np.asarray(wall))


@pytest.fixture(scope="module")
def seen(perception, photo):
    found = perception.observe_image(photo)
    if any(run.outcome is not CheckOutcome.RAN for run in found.checks):
        pytest.skip("weights are missing; run: consent-edit models pull")
    return found


@pytest.fixture
def group(tiny, perception, photo, seen, monkeypatch):
    """Both are shown; the astronaut consents, by templates of her own face. The pipeline is a hostile one."""
    genuine = tiny.image_processor
    scene = Scene.make(tiny, genuine, perception=perception)
    scene.before = photo

    def run(pipeline, call, images, clearance, **more):
        """A network of any size would take minutes over a picture as large as people's faces need."""
        clearance.spend(call.digest({name: image.digest for name, image in images.items()}))
        return scene.after

    monkeypatch.setattr(runner, "run", run)
    yield scene
    tiny.image_processor = genuine


def people(seen):
    """Faces that can be recognised, from the left."""
    return sorted(
        (index for index, face in enumerate(seen.faces) if is_shown(face)),
        key=lambda index: seen.faces[index].box.x,
    )


def consent(scene, seen, who=0, **grant):
    """Her own consent, or that of the other."""
    face = seen.faces[people(seen)[who]]
    mean = {role: rows.mean(axis=0) for role, rows in face.embeddings.items()}
    templates = {role: (row / np.linalg.norm(row)).astype(np.float32) for role, row in mean.items()}
    world: ConsentWorld = scene.world
    person = world.person(templates, models={role: seen.models[role] for role in templates})
    return person.grant(**{"operations": {Operation.TONE}, **grant}).presentation()


def warmer(pixels):
    """The picture in a warmer tone."""
    return CanonicalImage.of((pixels * WARM).clip(0, 255).astype(np.uint8))


def returns(scene, image):
    """What the pipeline makes, cut to the sides it works at."""
    size = scene.editor.family.sizing.working(image.width, image.height)
    made = Image.fromarray(image.pixels).resize(size, Image.Resampling.LANCZOS)
    scene.after = CanonicalImage.of(np.asarray(made))


def over(photo, seen):
    return anonymised(photo, seen.faces, {people(seen)[0]})


def test_the_bystander_stops_the_edit_and_anonymised_does_not(group, photo, seen):
    """One consent of two is too few; with the other made unrecognisable the edit leaves."""
    returns(group, warmer(photo.pixels))
    with pytest.raises(EditRefused) as refused:
        group.edit(presentations=(consent(group, seen),))
    assert len(refused.value.boxes) == 1
    returns(group, warmer(over(photo, seen).pixels))
    result = group.edit(presentations=(consent(group, seen),), anonymise="bystanders")
    assert json.loads(result.receipt)["receipt"]["remedies"] == ["anonymise"]
    again = group.perception.observe_image(decode(result.released).image)
    assert len(people(again)) == 1


def test_the_pipeline_brings_her_face_back(group, photo, seen):
    """An output that shows the bystander as she was is refused, whatever the pipeline was given."""
    returns(group, warmer(photo.pixels))
    with pytest.raises(EditRefused) as refused:
        group.edit(presentations=(consent(group, seen),), anonymise="bystanders")
    assert "floor.consent-required" in group.exact(refused.value)
    assert group.record(refused.value)["stage"] == "output"


def test_an_anonymised_victim_is_undressed(group, photo, seen):
    """What is repainted below the oval is somebody's body, and nobody's to give."""
    box = seen.faces[people(seen)[1]].box
    made = warmer(over(photo, seen).pixels).pixels.copy()
    below = np.s_[round(box.y + 1.7 * box.height) :, round(box.x - box.width / 3) : round(box.x + box.width)]
    made[below] = (200, 160, 140)
    returns(group, CanonicalImage.of(made))
    with pytest.raises(EditRefused) as refused:
        group.edit(presentations=(consent(group, seen),), anonymise="bystanders")
    assert "floor.hands-off" in group.exact(refused.value)


def test_put_back_the_rest_of_the_picture_may_change(group, photo, seen):
    """An edit that repaints all but the consenting face leaves with the other person put back."""
    box = seen.faces[people(seen)[0]].box
    painted = over(photo, seen)
    made = painted.pixels.copy()
    made[:40, : round(box.x)] = (90, 140, 90)
    made[330:, 560:] = (60, 60, 200)
    returns(group, CanonicalImage.of(made))
    asked = {"operations": frozenset({Operation.OBJECT}), "anonymise": "bystanders"}
    grant = consent(group, seen, operations={Operation.OBJECT, Operation.TONE, Operation.BACKGROUND})
    with pytest.raises(EditRefused) as refused:
        group.edit(presentations=(grant,), **asked)
    assert "floor.hands-off" in group.exact(refused.value)
    result = group.edit(presentations=(grant,), preserve="bystanders", **asked)
    pixels = decode(result.released).image.pixels
    assert (pixels[340:500, 780:820] == painted.pixels[340:500, 780:820]).all()
    assert (pixels[:30, :100] == (90, 140, 90)).all()


def test_the_part_that_shows_her_alone(group, photo, seen):
    """Cropped, the edit needs no consent but hers, and the released picture shows nobody else."""
    window = crop_window(seen, {people(seen)[0]})
    returns(group, warmer(window.of(photo).pixels))
    result = group.edit(presentations=(consent(group, seen),), crop="bystanders")
    again = group.perception.observe_image(decode(result.released).image)
    assert len(people(again)) == 1
    assert again.width <= window.width
