"""Every example runs, end to end, with tiny random weights; their READMEs name them all."""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "examples"

LOCAL = ("diffusers_drop_in", "flux_kontext", "qwen_image_edit", "sdxl_inpaint")
"""Guarded in the process of the script."""

ALL = (*LOCAL, "fastapi_app", "engine_process")


@pytest.fixture(scope="module")
def examples(perception, world):
    """The folder's modules, all in one demo's world."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        scene = importlib.import_module("_scene")
        patch.setattr(scene, "demo_world", lambda: world)
        yield importlib.import_module


def test_every_example_is_here():
    """No script of the folder is left out of these tests, nor out of its README."""
    scripts = {file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_")}
    assert scripts == set(ALL)
    assert scripts == set(re.findall(r"\]\((\w+)\.py\)", (FOLDER / "README.md").read_text()))


def told(capsys):
    """Edit -> how it ended, and whatever else was said."""
    out = capsys.readouterr().out
    return dict(re.findall(r"^(\w+): (released|refused)", out, re.MULTILINE)), out


ENDS = {"nobody": "released", "unasked": "refused", "consented": "refused"}


@pytest.mark.parametrize("name", LOCAL)
def test_guarded_in_its_own_process(examples, name, tmp_path, capsys):
    """Nobody shown is released with a receipt; she is refused: unasked for that, and asked for her face."""
    examples(name).main(["--tiny", "--out", str(tmp_path)])
    ends, out = told(capsys)
    assert ends == ENDS
    assert "consent.required" in out and "floor.foreign-identity" in out and "-> Ask the person" in out
    assert {file.name for file in tmp_path.iterdir()} == {"nobody.png", "nobody.receipt.json"}
    assert Image.open(tmp_path / "nobody.png").width == 160
    assert json.loads((tmp_path / "nobody.receipt.json").read_text())


def test_engine(tmp_path):
    """The same through an engine, by a program of its own; it ends with nothing left behind."""
    done = subprocess.run(
        [sys.executable, FOLDER / "engine_process.py", "--tiny", "--out", tmp_path],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert dict(re.findall(r"^(\w+): (released|refused)", done.stdout, re.MULTILINE)) == ENDS
    assert (tmp_path / "nobody.png").exists() and not (tmp_path / "consented.png").exists()


@pytest.fixture(scope="module")
def service(examples, world, perception):
    """The application around a tiny pipeline, a client's edits, and a way to ask."""
    from _scene import consent_for, tiny_edits
    from _tiny import instruct_pix2pix
    from fastapi.testclient import TestClient

    from consent_edit import ConsentEditor
    from consent_edit.demo.world import GRANTEE

    app = examples("fastapi_app")
    editor = ConsentEditor(instruct_pix2pix(), world.operator, perception=perception)
    client = TestClient(app.service(editor, {"a-token": GRANTEE}, steps=1), raise_server_exceptions=False)
    edits = {edit.name: app.as_json(edit) for edit in tiny_edits(consent_for(world))}

    def ask(body, **more):
        return client.post("/edits", headers={"Authorization": "Bearer a-token"}, json=body, **more)

    return client, editor, edits, ask


def test_service_releases(service):
    """Two hundred is the checked file and its receipt."""
    import base64

    _, _, edits, ask = service
    answer = ask(edits["nobody"])
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(base64.b64decode(answer.json()["image"]))).format == "PNG"
    assert json.loads(answer.json()["receipt"])


def test_service_refuses(service):
    """A refusal is a 400 in the words that image clients know, with boxes and remedies, and no picture."""
    _, editor, edits, ask = service
    answer = ask(edits["unasked"])
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["code"]) == ("image_generation_user_error", "moderation_blocked")
    assert error["boxes"][0]["picture"] == "image" and len(error["boxes"][0]["box"]) == 4
    assert any("signed consent" in remedy for remedy in error["remedies"])
    assert "consent.required" in error["reasons"] and "consent.absent" not in answer.text
    assert "consent.absent" in editor.operator.decision(error["decision"]).codes


@pytest.mark.parametrize(
    "body",
    [
        {"image": "bm8gcGljdHVyZQ==", "prompt": "make it warmer"},
        {"image": "%%", "prompt": "make it warmer"},
        {"prompt": "make it warmer"},
        {"image": "", "prompt": "x", "grantee": "somebody else"},
    ],
    ids=["no picture", "no base64", "no image", "grantee"],
)
def test_service_bad_input(service, body):
    """What cannot be used is a 400 that repeats nothing of it; who asks is never read from a body."""
    _, _, _, ask = service
    answer = ask(body)
    assert answer.status_code == 400 and answer.json()["error"]["code"].startswith("input.")
    assert "bm8g" not in answer.text and "somebody" not in answer.text


def test_service_whom_it_does_not_know(service):
    """Without a token, or with another one, nothing is read."""
    client, _, edits, _ = service
    assert client.post("/edits", json=edits["nobody"]).status_code in {401, 403}
    strange = client.post("/edits", json=edits["nobody"], headers={"Authorization": "Bearer x"})
    assert strange.status_code == 401


def test_service_without_perception(service, monkeypatch):
    """A check that cannot run is a 503 that says when to come again: nothing left, and another try may do."""
    from consent_edit.errors import CheckFailed

    _, editor, edits, ask = service

    def broken(*_):
        raise CheckFailed("it is away", code="check.face-detection-failed")

    monkeypatch.setattr(type(editor.perception), "observe_image", broken)
    answer = ask(edits["nobody"])
    assert answer.status_code == 503 and answer.headers["Retry-After"]
    assert answer.json()["error"]["code"] == "check.face-detection-failed"


def test_service_beyond_its_size(service):
    """A body beyond the bound, or of no stated length, is not read."""
    client, _, _, _ = service
    headers = {"Authorization": "Bearer a-token", "Content-Length": str(1 << 40)}
    assert client.post("/edits", headers=headers, content=b"{}").status_code == 413
    unsaid = client.post("/edits", headers={"Authorization": "Bearer a-token"}, content=iter([b"{}"]))
    assert unsaid.status_code == 413


def test_service_writes_no_picture(service, monkeypatch):
    """An edit through the service makes no temporary file."""
    import tempfile

    _, _, edits, ask = service
    made = []
    for name in ("NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, lambda *_, **__: made.append(1))
    assert ask(edits["nobody"]).status_code == 200 and not made
