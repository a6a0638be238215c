"""Valid inputs that hypothesis makes up, in a child process that is limited, listened to within bounds, and killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any, Final

from holdfast_attack.tools.conforms import Checker
from holdfast_attack.tools.refs import resolved

MISSING: Final = "hypothesis-jsonschema is not installed: pip install 'holdfast[attack]'"
MOST_BYTES = 8 * 2**20
"""Of the child's answer, all schemas together."""
LONGEST_LINE = 2**17
_VALUES = frozenset({"enum", "const", "default", "examples"})
_KEPT = ("PATH", "PYTHONPATH", "SYSTEMROOT", "VIRTUAL_ENV", "LANG")


@dataclass(frozen=True, slots=True)
class Generated:
    """``inputs`` for each schema, in the order of the schemas; ``why``: what kept some or all from being made."""

    inputs: tuple[tuple[dict[str, Any], ...], ...]
    why: str = ""


async def generated(
    schema: Mapping[str, Any], count: int, seed: int, within: float
) -> tuple[tuple[dict[str, Any], ...], str]:
    """Up to ``count`` valid inputs for one schema, the same for the same seed, and why there are none."""
    found = await generated_for([schema], count, seed, within)
    return found.inputs[0], found.why


async def generated_for(schemas: Sequence[Mapping[str, Any]], count: int, seed: int, within: float) -> Generated:
    """The same for several schemas in one child; after ``within`` seconds it is killed, and what has come is kept."""
    nothing: tuple[tuple[dict[str, Any], ...], ...] = tuple(() for _ in schemas)
    if find_spec("hypothesis_jsonschema") is None:
        return Generated(nothing, MISSING)
    checkers = [Checker(dict(schema)) for schema in schemas]
    asked = {"schemas": [_closed(schema) for schema in schemas], "count": count, "seed": seed}
    lines, why = await _child(json.dumps(asked).encode(), within)
    made: list[list[dict[str, Any]]] = [[] for _ in schemas]
    for line in lines:
        number, value, *reason = line
        if isinstance(value, dict) and _is_text(value) and checkers[number].accepts(value):
            made[number].append(value)
        why = why or (str(reason[0]) if reason else "")
    return Generated(tuple(tuple(each[:count]) for each in made), why)


def _is_text(value: dict[str, Any]) -> bool:
    """Whether all of it is characters: half of one (a lone surrogate) is in no honest message, having no bytes."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without references (none is ever followed), without parameters that nobody has named, and without formats:
    these bind nobody, and the one of addresses alone takes 2 s to prepare [measured].
    """
    plain: dict[str, Any] = _without_formats(resolved(schema))
    return {"additionalProperties": False, **plain, "type": "object"}


def _without_formats(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_formats(each) for each in part]
    if not isinstance(part, dict):
        return part
    kept = {key: value for key, value in part.items() if key != "format" or not isinstance(value, str)}
    return {key: value if key in _VALUES else _without_formats(value) for key, value in kept.items()}


async def _child(asked: bytes, within: float) -> tuple[list[list[Any]], str]:
    with TemporaryDirectory(prefix="holdfast-attack-", ignore_cleanup_errors=True) as folder:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "holdfast_attack.tools.generate"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=folder,  # hypothesis leaves a folder where it runs
            env={**environment, "PYTHONHASHSEED": "0", "HOME": folder},
            limit=LONGEST_LINE,
            start_new_session=True,
        )
        lines: list[list[Any]] = []
        try:
            async with asyncio.timeout(within):
                return lines, await _listen(process, asked, lines)
        except TimeoutError:
            return lines, f"not done after {within:g} s"
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # the pipes, which outlive a killed child


async def _listen(process: asyncio.subprocess.Process, asked: bytes, lines: list[list[Any]]) -> str:
    """Hand over the question and take the lines; why it ended early, if it did."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("the pipes were asked for above")
    with suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(asked)
        await stdin.drain()
        stdin.close()
    taken = 0
    while taken <= MOST_BYTES:
        try:
            line = await stdout.readline()
        except ValueError:
            break  # longer than LONGEST_LINE
        if not line:
            status = await process.wait()
            return "" if status == 0 else f"the child ended with status {status}"
        taken += len(line)
        with suppress(ValueError):  # the last line of a child that ran out of memory
            lines.append(json.loads(line))
    return "the child said too much"
