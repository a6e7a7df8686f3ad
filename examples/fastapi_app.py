"""A service: a token says who asks, a refusal is a 400 that says what to do, no picture touches a disk.

CONSENT_EDIT_OPERATOR=operator CONSENT_EDIT_TOKENS='{"token": "app:example"}' \\
    uvicorn --app-dir examples --factory fastapi_app:service
python examples/fastapi_app.py --tiny

``POST /edits`` takes and gives JSON with pictures in base64. A form would be read just as well, but Starlette
writes uploads above a megabyte to a temporary file, in clear, unless its ``spool_max_size`` is raised.
"""

import base64
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from _scene import Edit, scene
from diffusers import StableDiffusionInstructPix2PixPipeline
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from consent_edit import (
    ConsentEditError,
    ConsentEditor,
    EditRefused,
    EditRequest,
    InputError,
    Operation,
    Unavailable,
    operator_folder,
)

MAX_BODY = 64 << 20
"""Bytes of a request; the editor has limits of its own on each picture."""


class Asked(BaseModel):
    """What a client asks. Who it is stands in its token, never in what it says."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    image: Base64Bytes
    prompt: Annotated[str, Field(max_length=2000)]
    presentations: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    operations: frozenset[Operation] = frozenset()


def service(
    editor: ConsentEditor | None = None, tokens: Mapping[str, str] | None = None, steps: int = 20
) -> FastAPI:
    """The application; without arguments as the environment says."""
    editor = editor or _editor()
    clients = dict(tokens or json.loads(os.environ["CONSENT_EDIT_TOKENS"]))
    app = FastAPI(title="Edits with consent")

    def client(bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
        if bearer.credentials not in clients:
            raise HTTPException(401)
        return clients[bearer.credentials]

    # A plain function: FastAPI runs it in its pool of threads, and they wait for the pipeline in turn.
    @app.post("/edits")
    def edit(asked: Asked, grantee: Annotated[str, Depends(client)]) -> dict[str, str]:
        result = editor.edit(
            EditRequest(
                image=asked.image,
                prompt=asked.prompt,
                grantee=grantee,
                presentations=asked.presentations,
                operations=asked.operations,
                settings={"num_inference_steps": steps},
            )
        )
        return {"image": base64.b64encode(result.released).decode(), "receipt": result.receipt}

    @app.middleware("http")
    async def bounded(request: Request, call_next):  # noqa: ANN001, ANN202 - as Starlette has it
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return JSONResponse({"error": {"code": "input.too-large"}}, 413)
        return await call_next(request)

    @app.exception_handler(ConsentEditError)
    async def refused(_: Request, error: ConsentEditError) -> JSONResponse:
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer(InputError("the request is not of its form", code="input.request"))  # echoes no picture

    return app


def answer(error: ConsentEditError) -> JSONResponse:
    """A refusal is 400: clients try 409, 429 and 5xx again, and the answer would be the same."""
    said: dict[str, object] = {"code": error.code, "message": error.message, "remedy": error.remedy}
    if isinstance(error, EditRefused):
        said |= {
            "type": "image_generation_user_error",
            "code": "moderation_blocked",
            "reasons": error.codes,
            "boxes": [{"picture": p, "box": b} for p, b in zip(error.pictures, error.boxes, strict=True)],
            "remedies": error.remedies,
            "decision": error.decision_id,
        }
        return JSONResponse({"error": said}, 400)
    if isinstance(error, InputError):
        return JSONResponse({"error": said}, 400)
    down = isinstance(error, Unavailable)  # a check did not run: nothing leaves, and it is worth another try
    return JSONResponse({"error": said}, 503 if down else 500, {"Retry-After": "30"} if down else {})


def _editor() -> ConsentEditor:
    operator = operator_folder.load(Path(os.environ["CONSENT_EDIT_OPERATOR"]))
    model = os.environ.get("CONSENT_EDIT_MODEL", "timbrooks/instruct-pix2pix")
    return ConsentEditor(StableDiffusionInstructPix2PixPipeline.from_pretrained(model).to("cuda"), operator)


def main(argv: Sequence[str] | None = None) -> None:
    """Ask the application for each edit of the scene, as a client would."""
    from _tiny import instruct_pix2pix
    from starlette.testclient import TestClient

    here = scene(__doc__, argv)
    if not here.tiny:
        raise SystemExit("start it with uvicorn, as its first lines say")
    editor = ConsentEditor(instruct_pix2pix(), here.operator, perception=here.perception)
    asking = TestClient(service(editor, {"a-token": here.grantee}, steps=here.steps))
    for edit in here.edits:
        told = asking.post("/edits", json=as_json(edit), headers={"Authorization": "Bearer a-token"})
        print(edit.name, told.status_code, list(told.json()) if told.is_success else told.json())


def as_json(edit: Edit) -> dict[str, object]:
    """What a client sends."""
    file = io.BytesIO()
    edit.image.save(file, "PNG")
    return {
        "image": base64.b64encode(file.getvalue()).decode(),
        "prompt": edit.prompt,
        "presentations": list(edit.consent),
        "operations": sorted(edit.operations),
    }


if __name__ == "__main__":
    main()
