"""Whatever happens to an edit, no template of a person is left lying anywhere."""

from __future__ import annotations

import base64
import io
import logging
import tempfile
import traceback
from dataclasses import replace

import numpy as np
import pytest
from consent_world import face
from fake_perception import seen_face

from consent_edit.errors import ConsentEditError
from consent_edit.store.store import Store
from consent_edit.vocabulary import Operation


def traces(who=1):
    """What a template looks like in every form it takes: half, single, base64url of either, and printed."""
    found = []
    for vector in face(who).values():
        for data in (vector.astype("<f2").tobytes(), vector.astype("<f4").tobytes()):
            found += [data[16:64], base64.urlsafe_b64encode(data)[30:60]]
        found.append(str(float(vector[3]))[:8].encode())
    return found


def without(data, where):
    for trace in traces():
        assert trace not in data, where


@pytest.fixture
def watched(scene, tmp_path, monkeypatch, caplog):
    """The scene with its store on disk, temporary files in a folder of their own, and every log line kept."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    caplog.set_level(logging.DEBUG)
    scene.operator.store = Store.open(tmp_path / "log.sqlite")
    scene.shows([seen_face(1)], [seen_face(1)])
    return scene


def everything(tmp_path):
    return {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def test_nothing_is_left_of_a_release_a_refusal_and_a_break(watched, tmp_path, caplog, capfd):
    """Store, temporary files, log lines, output and errors hold no template in any form."""
    person = watched.person(1)
    grant = person.grant(operations={Operation.TONE})
    watched.edit(presentations=(grant.presentation(),))
    told = []
    broken = replace(grant.presentation(), grant="x.y.z")
    for attempt in ({"grantee": "thief"}, {"presentations": (broken,)}):
        with pytest.raises(ConsentEditError) as refused:
            watched.edit(**{"presentations": (grant.presentation(),), **attempt})
        told.append("".join(traceback.format_exception(refused.value)) + repr(vars(refused.value)))

    def breaking():
        raise RuntimeError("in the middle")

    watched.perception.before_change = breaking
    with pytest.raises(ConsentEditError) as broke:
        watched.edit(presentations=(grant.presentation(),))
    told.append("".join(traceback.format_exception(broke.value)))
    shown = capfd.readouterr()
    for where, data in everything(tmp_path).items():
        without(data, where)
    without("".join([*told, caplog.text, shown.out, shown.err]).encode(), "told")


def test_nothing_of_who_it_was_is_in_the_store(watched, tmp_path):
    """Neither thumbprint, grant, issuer nor photo digest stands in clear in the database or its journal."""
    person = watched.person(1)
    grant = person.grant(operations={Operation.TONE})
    watched.edit(presentations=(grant.presentation(),))
    raw = b"".join(everything(tmp_path).values())
    for clear in (person.wallet.subject, grant.jti, watched.before.digest, watched.before.digest[7:]):
        assert clear.encode() not in raw


def test_traces_are_found_where_they_are():
    """The search itself finds a template in each of its forms."""
    for vector in face(1).values():
        for data in (
            vector.astype("<f2").tobytes(),
            base64.urlsafe_b64encode(vector.tobytes()),
            str(vector.astype(float).tolist()).encode(),
        ):
            with pytest.raises(AssertionError):
                without(data, "here")


def test_repr_of_what_is_handled_prints_no_template(watched):
    """Printing any object on the way of an edit shows no number of a template."""
    person = watched.person(1)
    grant = person.grant(operations={Operation.TONE})
    request = watched.request(presentations=(grant.presentation(),))
    received = watched.editor._before(request)[0]
    shown = io.StringIO()
    for value in (request, received, received.seen, grant, person.enrolment, person.wallet, watched.operator):
        print(value, repr(value), file=shown)
    without(shown.getvalue().encode(), "repr")
    assert np.array2string(face(1)["face-embedding"][:3]) not in shown.getvalue()
