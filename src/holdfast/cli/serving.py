"""``holdfast run FILE`` itself, and its usual words read without the command line's library, which is slow to load."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.discovery import Sources, Target, find

if TYPE_CHECKING:
    from holdfast.cli.reload import Watching
    from holdfast.server import Server
    from holdfast.supervisor.worker import HttpWorker, Worker
    from holdfast.wire.claim import Claim

_COMPLETION = "_HOLDFAST_COMPLETE"
"""Set by a shell that asks for completions (click's convention): then nothing may be served."""


def plain(words: Sequence[str]) -> tuple[Target, Sources] | None:
    """What ``run FILE [--config TOML] [--env-file FILE] [--debug]`` says, and ``None`` for any other words.

    Those are read by the library, which knows every option, help and what to say of a mistake. Raises
    ``ConfigurationError`` when there is no such file.
    """
    if list(words[:1]) != ["run"] or _COMPLETION in os.environ:
        return None
    files: list[str] = []
    given: dict[str, Any] = {"--debug": False, "--config": None, "--env-file": None}
    rest = iter(words[1:])
    for word in rest:
        name, written, value = word.partition("=")
        if word == "--debug":
            given[word] = True
        elif name in ("--config", "--env-file"):
            value = value if written else next(rest, "")
            if not value or value.startswith("-"):
                return None
            given[name] = Path(value)
        else:
            files.append(word)
    if len(files) != 1 or not files[0] or files[0].startswith("-"):
        return None
    return Target.parse(files[0]), Sources(given["--config"], given["--env-file"], given["--debug"])


def serve(
    target: Target, sources: Sources, http: bool, overrides: dict[str, Any], reload: Callable[[], int] | None = None
) -> None:
    """Take the descriptors before the author's module can print to them, import it, and serve until the end.

    With ``reload`` a supervisor loads it anew whenever a file beside it changes, and nobody notices; where there is no
    supervisor ``reload`` itself has to see to that, and returns the exit status.
    """
    from holdfast.wire.claim import claim, fill_standard

    claimed = None if http else claim()
    if http:
        fill_standard((0, 1))
    worker = start(claimed)
    watching = _watching(target, sources) if reload is not None and worker is not None else None
    try:
        server = find(target, sources)
        if watching is not None:
            server.on("server.started", watching.begin)
    except BaseException:  # the descriptors go back, whatever ended the import
        if claimed is not None:
            claimed.release()
        raise
    if worker is not None and _attended(server, overrides, worker):
        return
    if reload is not None:
        raise SystemExit(reload())
    from holdfast.wire.serve import run as run_server

    run_server(server, "http" if http else "stdio", overrides, claimed=claimed)


def _watching(target: Target, sources: Sources) -> Watching:
    """Looks at the files before they are imported, so that no change after that is missed."""
    from holdfast.cli.reload import Watching

    return Watching(target.file.parent, (sources.config, sources.env_file))


def _attended(server: Server, overrides: dict[str, Any], worker: Worker | HttpWorker) -> bool:
    """Serve as one worker of a supervisor; ``False``: it is to serve without."""
    from holdfast.supervisor.worker import HttpWorker

    if isinstance(worker, HttpWorker):
        from holdfast.wire.supervisedhttp import run as run_http

        return run_http(server, overrides, worker)
    from holdfast.wire.supervised import run as run_pipes

    return run_pipes(server, overrides, worker)


def start(claimed: Claim | None) -> Worker | HttpWorker | None:
    """Fork: this process becomes the supervisor, and the call returns in its workers; ``None`` where none can be.

    ``claimed`` are the client's ends; without them it is served over HTTP.
    """
    from holdfast.supervisor.journal import tell
    from holdfast.supervisor.memory import Memory, possible

    reason = possible(() if claimed is None else (claimed.input, claimed.output))
    if threading.active_count() > 1:
        reason = "there are threads already, which a forked process would not have"
    if reason is None:
        from holdfast.supervisor.heirlooms import OfPipes, OfPort
        from holdfast.supervisor.supervising import supervise

        try:
            if claimed is None:
                return supervise(OfPort())
            return supervise(OfPipes(Memory.create(), (claimed.input, claimed.output)))
        except OSError as error:
            reason = error.strerror or "no memory to be had"
    if reason:
        tell("not_supervised", "warning", why=reason)
    return None
