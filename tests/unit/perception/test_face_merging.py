"""No victim disappears inside a consenting face, and a clear face stands there once."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from consent_edit.perception.faces.detectors import merging
from consent_edit.perception.faces.detectors.found import Found
from consent_edit.perception.faces.detectors.likeness import Likeness
from consent_edit.perception.faces.detectors.merging import (
    Candidate,
    coincide,
    kinds_of,
    merged,
    overlap,
    same_place,
    strongest,
)
from consent_edit.perception.faces.passes import Detector, DetectorPass, ViewSpec
from consent_edit.vocabulary import PersonKind

FACE = np.array([[179, 63], [269, 174]], np.float32)
TEMPLATE = np.array([[-0.21, -0.1], [0.21, -0.1], [0, 0.1], [-0.17, 0.27], [0.17, 0.27]], np.float32)


def one_pass(kind=0, detector=Detector.YUNET, *, turn=0, inverted=False):
    """A pass; other numbers of kind are passes of other kinds."""
    views = (
        ViewSpec(320),
        ViewSpec(320, levels=True),
        ViewSpec(320, blur=2.0),
        ViewSpec(320, median=5),
        ViewSpec(320, opening=9),
        ViewSpec(320, closing=5),
    )
    return DetectorPass(detector, replace(views[kind], turn=turn, inverted=inverted), 0.5)


def candidate(x, y, side, score=0.9, source=one_pass()):  # noqa: B008 - a frozen value
    """A square box around a middle, with a face's points in it."""
    middle = np.array([x, y], np.float32)
    half = np.full(2, side / 2, np.float32)
    corners = np.stack([middle - half, middle + half])
    return Candidate(corners, middle + TEMPLATE * side, score, source)


def clear(x, y, side, score=0.9):
    """The boxes that passes of six kinds give one clear face."""
    return [candidate(x, y, side, score - 0.01 * n, one_pass(n)) for n in range(6)]


def never(stronger, weaker):
    """Embeddings that never agree."""
    return False


def always(stronger, weaker):
    """Embeddings that always agree."""
    return True


def test_boxes_that_lie_on_each_other_are_one_face_without_asking_for_embeddings(limits):
    """Small shifts and other families' box shapes cost nothing."""
    boxes = [
        candidate(100, 100, 80),
        candidate(104, 97, 84, 0.8, one_pass(1)),
        candidate(100, 104, 70, 0.7, one_pass(0, Detector.BLAZEFACE)),
    ]
    (face,) = merged(boxes, limits, never)
    assert len(face) == 3


def test_the_exact_family_stands_for_the_face_where_it_is_about_as_sure(limits):
    """BlazeFace's synthesised mouth corners stand for nobody whom YuNet found as well."""
    boxes = [candidate(100, 100, 70, 0.97, one_pass(0, Detector.BLAZEFACE)), candidate(100, 100, 80, 0.8)]
    (face,) = merged(boxes, limits, never)
    assert face[0].detector is Detector.YUNET


@pytest.mark.parametrize(("dx", "dy", "scale"), [(0, 4, 0.55), (40, 0, 1.0), (0, 40, 1.0), (24, 12, 0.6)])
def test_attack_victim_overlapping_a_consenting_face_stays_apart_when_embeddings_differ(
    limits, dx, dy, scale
):
    """Inside at the same middle, overlapped by half, or in the cheek: two people are two faces."""
    boxes = clear(100, 100, 80, 0.95) + clear(100 + dx, 100 + dy, 80 * scale)
    assert len(merged(boxes, limits, never)) == 2


def test_two_boxes_in_one_place_are_one_face_when_embeddings_agree(limits):
    """Not lying on each other, but of similar size, overlapping, and the same person."""
    boxes = clear(100, 100, 80, 0.95) + clear(135, 100, 80)
    assert len(merged(boxes, limits, always)) == 1


def test_attack_victim_at_half_the_size_is_never_merged_whatever_the_embeddings_say(limits):
    """From a factor of two on nobody is asked."""
    boxes = clear(100, 100, 80, 0.95) + clear(100, 105, 39)
    assert len(merged(boxes, limits, always)) == 2
    assert not same_place(candidate(100, 100, 80), candidate(100, 105, 39), limits)


def test_attack_faces_touching_side_by_side_are_two_whatever_the_embeddings_say(limits):
    """They do not overlap and their middles are a width apart."""
    boxes = clear(100, 100, 80, 0.95) + clear(180, 100, 80)
    assert len(merged(boxes, limits, always)) == 2


def test_attack_victim_overlapped_by_half_survives_within_one_pass(limits):
    """One pass that sees both keeps both: repeating is more than overlapping by half."""
    corners = np.stack([candidate(x, 100, 80).corners for x in (100, 103, 140)])
    found = Found(corners, np.zeros((3, 5, 2), np.float32), np.array([0.9, 0.8, 0.7], np.float32))
    assert strongest(found, limits).tolist() == [0, 2]


def test_a_face_read_upside_down_still_lies_on_itself(limits):
    """The points' order does not matter, their place does."""
    one = candidate(100, 100, 80)
    turned = Candidate(one.corners, one.landmarks[::-1].copy(), 0.5, one_pass(turn=2))
    assert coincide(one, turned, limits)


def plain_same_place(a, b, limits):
    """The rule for one pair of boxes, in plain words: the oracle for the one that judges many at once."""
    large, small = max(a.side, b.side), min(a.side, b.side)
    if large >= limits.face_merge_size_ratio * max(small, 1e-6):
        return False
    if overlap(a.corners, b.corners) > limits.face_merge_overlap:
        return True
    offset = float(np.hypot(*(a.corners.mean(axis=0) - b.corners.mean(axis=0))))
    return offset < limits.face_merge_offset * large


def plainly_merged(found, limits, same_person):
    """The two steps, pair by pair."""
    groups = []
    for one in sorted(found, key=lambda item: -item.rank):
        home = next((group for group in groups if coincide(group[0], one, limits)), None)
        if home is None:
            groups.append([one])
        else:
            home.append(one)
    faces = []
    for group in sorted(groups, key=lambda each: -(kinds_of(each) + each[0].rank)):
        home = next(
            (
                face
                for face in faces
                if plain_same_place(face[0], group[0], limits) and same_person(face, group)
            ),
            None,
        )
        if home is None:
            faces.append(group)
        else:
            home += group
    return faces


def crowd(seed, count=160, spread=300.0):
    """Boxes of any place, shape, size, score and pass, many of them on others; some without any area."""
    draw = np.random.default_rng(seed)
    sources = [one_pass(n, family) for n in range(6) for family in Detector]
    for _ in range(count):
        one = candidate(*draw.uniform(0, spread, 2), draw.uniform(20, 90))
        corners = one.corners.copy()
        corners[1] += draw.uniform(-20, 20, 2).astype(np.float32)
        corners[1, 0] = corners[0, 0] if draw.random() < 0.03 else corners[1, 0]
        points = one.landmarks + draw.normal(0, 4, (5, 2)).astype(np.float32)
        yield Candidate(corners, points, float(draw.random()), sources[draw.integers(len(sources))])


def answers_in_order(boxes):
    """Embeddings that agree now and then, and every question that was put to them."""
    numbers = {one: at for at, one in enumerate(boxes)}
    asked = []

    def same_person(stronger, weaker):
        asked.append((numbers[stronger[0]], len(stronger), numbers[weaker[0]]))
        return (numbers[stronger[0]] + numbers[weaker[0]]) % 3 == 0

    return same_person, asked


def assert_merged_as_plainly(boxes, limits):
    """The same groups in the same order after the same questions."""
    numbers = {one: at for at, one in enumerate(boxes)}
    (ours, asked), (plain, plainly_asked) = answers_in_order(boxes), answers_in_order(boxes)
    faces, expected = merged(boxes, limits, ours), plainly_merged(boxes, limits, plain)
    assert [[numbers[one] for one in face] for face in faces] == [
        [numbers[one] for one in face] for face in expected
    ]
    assert asked == plainly_asked
    return asked


@pytest.mark.parametrize("seed", range(6))
def test_a_crowd_judged_at_once_is_judged_as_pair_by_pair(limits, seed):
    """Groups, their order and the questions asked are those of the plain rule, whatever the boxes."""
    boxes = list(crowd(seed))
    assert len(assert_merged_as_plainly(boxes, limits)) > 20
    for a, b in pairwise(boxes):
        assert same_place(a, b, limits) is plain_same_place(a, b, limits)


def test_the_boxes_of_a_picture_of_many_faces_are_judged_as_pair_by_pair(detector, astronaut, limits):
    """Thirty-six astronauts, with what every pass finds of them."""
    tile = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    boxes = list(detector._candidates(np.tile(tile, (6, 6, 1))))
    assert len(boxes) > 200
    assert_merged_as_plainly(boxes, limits)


def test_attack_crowd_is_held_against_all_faces_at_once(limits, monkeypatch):
    """A picture full of faces cannot use up its deadline: no pair of boxes is judged by itself."""

    def one_by_one(a, b):
        raise AssertionError("judged by itself")

    monkeypatch.setattr(merging, "overlap", one_by_one)
    boxes = list(crowd(0, count=400, spread=2000.0))
    calls = []
    judged = merging._Places._inner
    monkeypatch.setattr(merging._Places, "_inner", lambda *asked: calls.append(1) or judged(*asked))
    assert len(merged(boxes, limits, never)) > 200
    assert len(calls) <= 2 * len(boxes)


class _Embedder:
    """Gives each box its own vector, and counts how often it is asked."""

    def __init__(self, same):
        self.same, self.calls = same, 0

    def embed(self, pixels, landmarks):
        self.calls += 1
        row = np.zeros((1, 128), np.float32)
        row[0, 0 if self.same else self.calls] = 1
        return row


class _Mesh:
    """One logit for the clear face at 100, and for any other as it is, and inverted."""

    def __init__(self, presence, inverted, clear):
        self._presence, self._inverted, self._clear = presence, inverted, clear

    def presence(self, pixels, landmarks, *, as_is, inverted):
        if landmarks[:, 0].mean() == 100:
            return self._clear
        return max(self._presence if as_is else -99.0, self._inverted if inverted else -99.0)


def likeness(limits, *, same=False, presence=-5.0, inverted=-5.0, clear=30.0):
    """Compares boxes by made-up models."""
    embedder = _Embedder(same)
    picture = np.zeros((200, 200, 3), np.uint8)
    return Likeness(picture, embedder, _Mesh(presence, inverted, clear), limits), embedder


def weak(score=0.7, count=1, **shown):
    """A box beside a clear face, found by few kinds of pass."""
    return [candidate(135, 100, 80, score, one_pass(n, **shown)) for n in range(count)]


def test_an_echo_of_a_clear_face_joins_it_without_embeddings(limits):
    """Few kinds, no high score, no face on its points: its embedding would mean nothing."""
    one, embedder = likeness(limits)
    assert one.same_person(clear(100, 100, 80), weak())
    assert embedder.calls == 0


@pytest.mark.parametrize(
    ("presence", "box"),
    [(25.0, weak()), (-5.0, weak(score=0.9)), (-5.0, weak(count=5))],
    ids=["the mesh sees a face", "a high score", "many kinds of pass"],
)
def test_attack_a_weakly_found_victim_is_no_echo_when_anything_shows_a_second_face(limits, presence, box):
    """Then embeddings decide, and they differ."""
    one, embedder = likeness(limits, presence=presence)
    assert not one.same_person(clear(100, 100, 80), box)
    assert embedder.calls == 2


@pytest.mark.parametrize(("shown", "presence"), [({"turn": 1}, 15.0), ({"inverted": True}, 25.0)])
def test_a_face_seen_the_wrong_way_is_an_echo_at_scores_that_count_the_right_way(limits, shown, presence):
    """Upright faces are read as others on their side, or inverted; the mesh is asked about that very view."""
    one, _ = likeness(limits, presence=presence, inverted=-5.0)
    assert one.same_person(clear(100, 100, 80), weak(score=0.89, **shown))


@pytest.mark.parametrize(
    ("shown", "logits"),
    [
        ({"turn": 1}, {"presence": 25.0}),
        ({"inverted": True}, {"inverted": 25.0}),
        ({"turn": 1, "score": 0.94}, {}),
    ],
    ids=["turned", "inverted", "turned, and surely found"],
)
def test_attack_a_victim_pasted_turned_or_inverted_is_no_echo(limits, shown, logits):
    """Upright on its own points, or inverted as its passes saw it, a model is sure of the victim."""
    one, _ = likeness(limits, **logits)
    assert not one.same_person(clear(100, 100, 80), weak(**shown))


def test_attack_a_face_that_is_covered_up_explains_no_victim_on_top_of_it(limits):
    """An echo is less of a face than what it echoes."""
    one, _ = likeness(limits, presence=5.0, clear=-2.0)
    assert not one.same_person(clear(100, 100, 80), weak())


def test_a_weak_box_over_most_of_a_clear_face_is_its_echo_whatever_the_mesh_says(limits):
    """It sees the clear face itself there."""
    one, embedder = likeness(limits, presence=40.0)
    over = [candidate(115, 100, 80, 0.7)]
    assert one.same_person(clear(100, 100, 80), over)
    assert embedder.calls == 0


def test_a_box_no_weaker_than_the_face_is_no_echo(limits):
    """Of two weak boxes neither explains the other."""
    one, _ = likeness(limits)
    assert not one.same_person([candidate(100, 100, 80, 0.71)], weak())


def test_when_too_many_boxes_would_need_embeddings_they_stay_apart(limits):
    """The bound on time asks for more consent, never for less."""
    one, embedder = likeness(limits, same=True, presence=25.0)
    pairs = [(clear(100, 100, 80), weak()) for _ in range(30)]
    answers = [one.same_person(*pair) for pair in pairs]
    assert answers[0]
    assert not answers[-1]
    assert embedder.calls <= 16


def victim_of(hopper, side):
    """The victim's face cut out as an oval: pixels and mask."""
    face = cv2.resize(hopper[118:338, 178:358], side, interpolation=cv2.INTER_AREA)
    mask = np.zeros(face.shape[:2], np.uint8)
    cv2.ellipse(mask, (side[0] // 2, side[1] // 2), (side[0] // 2, side[1] // 2), 0, 0, 360, 255, -1)
    return face, mask > 0


def pasted(astronaut, hopper, scale, dx, dy):
    """The astronaut with the victim's face over or beside hers, and the victim's box."""
    size = FACE[1] - FACE[0]
    side = (round(float(size[0]) * scale), round(float(size[1]) * scale))
    face, mask = victim_of(hopper, side)
    middle = FACE.mean(axis=0) + size * [dx, dy]
    left, top = (int(value) for value in middle - np.array(side) / 2)
    picture = astronaut.copy()
    picture[top : top + side[1], left : left + side[0]][mask] = face[mask]
    return picture, np.array([[left, top], [left + side[0], top + side[1]]], np.float32)


@pytest.mark.parametrize(
    ("scale", "dx", "dy"),
    [(0.55, 0, 0.05), (1.0, 0.5, 0), (1.0, 1.0, 0), (0.6, 0.3, 0.15)],
    ids=["inside, same middle", "overlapped by half", "side by side, touching", "in the cheek"],
)
def test_attack_victim_pasted_on_a_consenting_face_keeps_a_box_of_his_own(
    detector, astronaut, hopper, scale, dx, dy
):
    """The victim's own landmarks stand for a supported face of his own."""
    picture, box = pasted(astronaut, hopper, scale, dx, dy)
    mine = [
        face
        for face in detector.detect(picture)
        if overlap(face.members[0].corners, box) > 0.45 and face.kind is PersonKind.FACE
    ]
    assert mine
    assert min(face.box.width for face in mine) < 1.5 * float(box[1, 0] - box[0, 0])


def test_attack_mosaic_of_a_victim_in_the_cheek_is_found(detector, astronaut, hopper):
    """A victim reduced to 15 blocks across, a quarter of the face's size, stays a face of his own."""
    large = cv2.resize(astronaut[20:230, 130:320], (760, 840), interpolation=cv2.INTER_CUBIC)
    face = hopper[95:375, 150:390]
    few = cv2.resize(face, (20, 23), interpolation=cv2.INTER_AREA)
    mosaic = cv2.resize(few, (120, 140), interpolation=cv2.INTER_NEAREST)
    large[430:570, 420:540] = mosaic
    box = np.array([[432, 442], [528, 560]], np.float32)
    assert any(overlap(face.members[0].corners, box) > 0.3 for face in detector.detect(large))


def test_attack_victim_blended_half_transparent_beside_the_face_is_found(detector, astronaut, hopper):
    """Two faces shining through each other, shifted by half a face, are two boxes."""
    size = FACE[1] - FACE[0]
    face, mask = victim_of(hopper, (90, 111))
    left, top = (int(value) for value in FACE[0] + size * [0.55, 0.1])
    picture = astronaut.copy()
    under = picture[top : top + 111, left : left + 90]
    under[mask] = (0.35 * under[mask] + 0.65 * face[mask]).astype(np.uint8)
    box = np.array([[left, top], [left + 90, top + 111]], np.float32)
    found = detector.detect(picture)
    assert any(overlap(one.members[0].corners, box) > 0.45 for one in found)
    assert any(overlap(one.members[0].corners, FACE) > 0.45 for one in found)


def test_a_clear_face_has_one_box(detector, astronaut, hopper):
    """A second box on a consenting face would refuse her own edit."""
    for picture in (astronaut, hopper):
        assert len(detector.detect(picture)) == 1
