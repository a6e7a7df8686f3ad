"""A scene with further pictures, for tests that attack through them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from consent_world import face
from fake_perception import Scene, ScriptedPerception, picture, seen_face
from tiny_pipelines import tiny_once

from consent_edit.errors import EditRefused
from consent_edit.perception.observation import CheckRun, ExposureReading, PictureExposure
from consent_edit.pipelines.families import FAMILIES
from consent_edit.vocabulary import CheckName, CheckOutcome, Exposure, Operation

OTHER, THIRD = picture(11), picture(12)
TONE = frozenset({Operation.TONE})
CONTROL = {"control_image": OTHER}


class Exposing(ScriptedPerception):
    """Reads an exposure in some pictures, and does not look at others at all."""

    def __init__(self) -> None:
        super().__init__()
        self.exposed: dict[str, Exposure] = {}
        self.blind: set[str] = set()
        self.looked: list[str] = []
        self.compared: list[str] = []

    def observe_image(self, image):
        self.looked.append(image.digest)
        seen = super().observe_image(image)
        if image.digest in self.blind:
            missed = CheckRun(CheckName.FACE_DETECTION, CheckOutcome.TIMED_OUT, detail="deadline")
            others = tuple(run for run in seen.checks if run.name is not CheckName.FACE_DETECTION)
            return replace(seen, checks=(*others, missed))
        reading = ExposureReading(self.exposed.get(image.digest, Exposure.NONE))
        whole = PictureExposure(reading, (reading,) * len(seen.people), ExposureReading(Exposure.NONE))
        return replace(seen, exposure=whole)

    def observe_change(self, before, after, *others):
        self.compared.append(before.digest)
        return super().observe_change(before, after, *others)


def around(name):
    pipeline = tiny_once(next(one for one in FAMILIES if one.name == name))
    genuine = pipeline.image_processor
    try:
        scene = Scene.make(pipeline, genuine, Exposing())
        scene.shows([seen_face(1)], [seen_face(1)])
        yield scene
    finally:
        pipeline.image_processor = genuine


def also(scene, image, *faces):
    scene.perception.faces[image.digest] = faces


def grant(scene, who, *images, operations=TONE, **person):
    holder = scene.world.person(face(who), **person)
    return holder, holder.grant(operations=operations, images=tuple(one.digest for one in images))


def shown(*grants):
    return tuple(one.presentation() for _, one in grants)


def ask(scene, *grants, pictures=CONTROL, **changes):
    few = {"num_inference_steps": 1, **({"strength": 1.0} if pictures.keys() >= {"control_image"} else {})}
    return scene.edit(presentations=shown(*grants), pictures=pictures, settings=few, **changes)


def refused(scene, *grants, **changes):
    with pytest.raises(EditRefused) as error:
        ask(scene, *grants, **changes)
    return error.value
