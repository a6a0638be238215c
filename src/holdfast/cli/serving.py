"""``holdfast run FILE`` itself, and its usual words read without the command line's library, which is slow to load."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.discovery import Sources, Target, find

if TYPE_CHECKING:
    from holdfast.supervisor.worker import Worker
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


def serve(target: Target, sources: Sources, http: bool, overrides: dict[str, Any], supervised: bool = True) -> None:
    """Take the descriptors before the author's module can print to them, import it, and serve until the end."""
    from holdfast.wire.claim import claim

    claimed = None if http else claim()
    worker = start(claimed) if supervised and claimed is not None else None
    try:
        server = find(target, sources)
    except BaseException:  # the descriptors go back, whatever ended the import
        if claimed is not None:
            claimed.release()
        raise
    if worker is not None:
        from holdfast.wire.supervised import run as run_worker

        if run_worker(server, overrides, worker):
            return
    from holdfast.wire.serve import run as run_server

    run_server(server, "http" if http else "stdio", overrides, claimed=claimed)


def start(claimed: Claim) -> Worker | None:
    """Fork: this process becomes the supervisor, and the call returns in its workers; ``None`` where none can be."""
    from holdfast.supervisor.journal import tell
    from holdfast.supervisor.memory import Memory, possible

    ends = (claimed.input, claimed.output)
    if (reason := possible(ends)) is None:
        from holdfast.supervisor.parent import supervise

        try:
            return supervise(Memory.create(), ends)
        except OSError as error:
            reason = error.strerror or "no memory to be had"
    if reason:
        tell("not_supervised", "warning", why=reason)
    return None
