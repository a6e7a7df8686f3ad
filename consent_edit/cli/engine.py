"""``consent-edit engine``: keep an engine running on a socket until told to stop."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Final, Literal, cast

import typer

from consent_edit.cli.terminal import AsJson, say
from consent_edit.errors import InputError

_MEBIBYTE: Final = 1 << 20


def engine(
    *,
    operator: Annotated[Path, typer.Argument(help="Operator's folder (consent-edit operator init).")],
    socket: Annotated[Path, typer.Option(help="Where to listen, in a folder of the engine's own.")],
    pipeline: Annotated[
        str,
        typer.Option(
            help="Folder of diffusers weights, or module:function; else the built-in colour editor."
        ),
    ] = "",
    editor: Annotated[
        str, typer.Option(help="module:function that takes OPERATOR_FOLDER and returns a ConsentEditor.")
    ] = "",
    dtype: Annotated[
        str, typer.Option(help="Precision of a folder's weights: float32, float16 or bfloat16.")
    ] = "",
    device: Annotated[str, typer.Option(help="Where a folder's pipeline runs, such as cuda.")] = "",
    allow_uid: Annotated[
        list[int] | None, typer.Option(help="User who may ask, by number; repeatable. Else the engine's own.")
    ] = None,
    group: Annotated[str, typer.Option(help="Group whose members may reach the socket, by name or id.")] = "",
    memory: Annotated[
        int, typer.Option(help="Most data the engine may hold, MiB; 0 for no bound.", min=0)
    ] = 0,
    deadline: Annotated[
        float,
        typer.Option(help="Seconds an edit may take before the engine is ended and started again.", min=1),
    ] = 900.0,
    as_json: AsJson = False,
) -> None:
    """Run the editor in a process of its own, started again whenever it dies; ends on SIGTERM or SIGINT.

    It needs no access to the host's files, nor the host to the engine's.
    """
    from consent_edit.pipelines.engine.process import EngineDeadlines, EngineProcess
    from consent_edit.pipelines.engine.setup import EngineSetup

    if editor and pipeline:
        raise InputError("give --pipeline or --editor, not both", code="input.usage")
    if dtype not in ("", "float32", "float16", "bfloat16"):
        raise InputError(f"there is no precision {dtype} here", code="input.usage")
    setup = EngineSetup(
        operator=str(operator.absolute()),
        pipeline=str(Path(pipeline).absolute()) if Path(pipeline).is_dir() and pipeline else pipeline,
        editor=editor,
        arguments=(str(operator.absolute()),) if editor else (),
        dtype=cast("Literal['', 'float32', 'float16', 'bfloat16']", dtype),
        device=device,
        uids=tuple(allow_uid or ()),
        memory=memory * _MEBIBYTE,
    )
    running = EngineProcess(
        setup, socket.absolute(), group=_group(group), deadlines=EngineDeadlines(edit=deadline)
    )
    with running:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: running.stop())
        say(as_json, {"socket": str(socket), "pid": running.pid}, f"the engine listens at {socket}")
        running.wait()


def _group(name: str) -> int | None:
    """A group's id.

    Raises:
        InputError: there is no such group.
    """
    import grp

    if not name:
        return None
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise InputError(f"there is no group {name}", code="input.group") from error
