"""``holdfast check``: a linter for servers; exits with 1 when something is found, and with 2 when it cannot look."""

from __future__ import annotations

import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.ending import bounded, leave_threads
from holdfast.cli.options import ConfigOption, DebugFlag, EnvFileOption
from holdfast.errors import ConfigurationError, HoldfastError

if TYPE_CHECKING:
    from holdfast.cli.discovery import Sources, Target
    from holdfast.lint.finding import Finding
    from holdfast.lint.subject import Whole

FOUND = 1
"""Exit status when something was found at the level of ``--fail-on``, as linters do."""


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"


class FailOn(StrEnum):
    """The least level of a finding that fails."""

    note = "note"
    warning = "warning"
    error = "error"


TargetOption = Annotated[
    str | None,
    typer.Argument(
        metavar="FILE|MODULE[:NAME]", help="The server's file or module, and its name there.", show_default=False
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How findings are printed.")]
SelectOption = Annotated[
    list[str] | None, typer.Option("--select", metavar="CODES", help="Only these, such as HF1,HF301 (HF1: all HF1xx).")
]
IgnoreOption = Annotated[list[str] | None, typer.Option("--ignore", metavar="CODES", help="Not these.")]
FailOption = Annotated[FailOn, typer.Option("--fail-on", help="The least level that makes the exit status 1.")]
PinFlag = Annotated[bool, typer.Option("--pin", help="Write the manifest of what the server offers now.")]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="The pinned manifest (default: holdfast.manifest.json beside the server's file, if it is there).",
    ),
]
ExplainOption = Annotated[str | None, typer.Option("--explain", metavar="CODE", help="Print the page of a code.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that the whole check may take.")]


def check(  # noqa: PLR0913 - each parameter is an option of the command
    target: TargetOption = None,
    format: FormatOption = Format.text,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    fail_on: FailOption = FailOn.warning,
    pin: PinFlag = False,
    manifest: ManifestOption = None,
    explain: ExplainOption = None,
    timeout: TimeoutOption = 60.0,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
    debug: DebugFlag = False,
) -> None:
    """Find what guards cannot mend: unguarded strings, weak limits, poisoned texts, secrets, a changed manifest."""
    from holdfast.cli.discovery import Sources
    from holdfast.lint.catalogue import check_of, chosen

    if explain is not None:
        print(check_of(explain).page(), end="")
        return
    if target is None:
        raise ConfigurationError("name the file of the server, or a code with --explain")
    codes = (None if select is None else chosen(select), chosen(ignore or []))
    before = frozenset(threading.enumerate())
    with bounded(timeout):
        whole, findings = _look(_target(target), Sources(config, env_file, debug), codes, (manifest, pin))
    with _reported(debug):
        _show(whole, findings, format)
    status = FOUND if _fails(findings, fail_on) else 0
    leave_threads(before, status)
    if status:
        raise typer.Exit(status)


def _fails(findings: list[Finding], fail_on: FailOn) -> bool:
    from holdfast.lint.finding import at_least

    return bool(at_least(findings, fail_on.value))


def _target(text: str) -> Target:
    """A file, or a module that can be found from here without importing it. Raises ``ConfigurationError``."""
    from holdfast.cli.discovery import Target

    head, _, name = text.partition(":")
    if os.sep in head or head.endswith(".py") or Path(head).is_file() or not _is_dotted(head):
        return Target.parse(text)
    inside = Path(*head.split("."))
    for folder in (Path(), Path("src")):
        for file in (folder / inside.with_suffix(".py"), folder / inside / "__init__.py"):
            if file.is_file():
                return Target.parse(f"{file}:{name}" if name else str(file))
    raise ConfigurationError(f"{text} is neither a file nor a module of this folder or of its src")


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _look(
    target: Target,
    sources: Sources,
    codes: tuple[frozenset[str] | None, frozenset[str]],
    pinned: tuple[Path | None, bool],
) -> tuple[Whole, list[Finding]]:
    from holdfast.cli.streams import diverted
    from holdfast.lint.examine import examine
    from holdfast.lint.pinned import manifest_of

    with diverted(), _reported(sources.debug):
        whole = _imported(target, sources)
        file = _manifest_file(pinned[0], target.file, writing=pinned[1])
        if pinned[1] and file is not None:
            from holdfast.core.manifestfile import write

            made = manifest_of(whole)
            write(made, file)
            _say(f"pinned {len(made.entries)} entries in {file.name} (sha256 {made.digest()})")
        return whole, examine(whole, manifest=file, select=codes[0], ignore=codes[1])


def _imported(target: Target, sources: Sources) -> Whole:
    from holdfast.cli.discovery import find
    from holdfast.core.function import UnguardedParameter
    from holdfast.lint.subject import Whole

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnguardedParameter)  # told as HF101 to HF104, with a place
        server = find(target, sources)
    return Whole.of(server, server.load_settings(), target.file)


def _manifest_file(given: Path | None, server: Path, *, writing: bool) -> Path | None:
    from holdfast.core.manifestfile import MANIFEST_FILE

    beside = server.with_name(MANIFEST_FILE)
    if given is None:
        return beside if writing or beside.exists() else None
    return given


@contextmanager
def _reported(debug: bool) -> Iterator[None]:
    """A fault of the check itself must not look like findings, nor like none."""
    try:
        yield
    except HoldfastError:
        raise
    except Exception as error:  # boundary: whatever an odd source does to a check, the answer is one line and status 2
        if debug:
            raise
        raise ConfigurationError(f"the check failed ({type(error).__name__}); --debug shows where") from None


def _show(whole: Whole, findings: list[Finding], format: Format) -> None:
    from holdfast.lint.report import as_json, lines, summary

    base = Path.cwd()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show must not end it
    if format is Format.json:
        print(as_json(findings, base, whole.server.name))
    elif format is Format.sarif:
        from importlib.metadata import version

        from holdfast.lint.sarif import as_sarif

        print(as_sarif(findings, base, version("holdfast")))
    else:
        _print(lines(findings, base), summary(findings, f"{len(whole.subjects)} entries of {whole.file.name}"))
    if sys.stdout is not None:
        sys.stdout.flush()  # a full disk is told of here, and is not a finding


_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def _print(found: Sequence[tuple[str, str, str]], last: str) -> None:
    say = _console()
    for place, what, words in found:
        if say is None:
            print(f"{place}: {what}: {words}")
        else:
            say((place, "bold"), (f" {what} ", _STYLES[what.partition(" ")[0]]), (words, ""))
    print(last) if say is None else say((last, "bold"))


def _console() -> Any:
    """Colour in a terminal, where rich is installed."""
    if not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return None
    console = Console()
    return lambda *parts: console.print(Text.assemble(*parts))


def _say(message: str) -> None:
    print(f"holdfast: {message}", file=sys.stderr)
