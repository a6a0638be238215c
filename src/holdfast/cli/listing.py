"""``holdfast list``: what a server offers, with the facts and limits that decide its guards."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from holdfast.cli.options import ConfigOption, DebugFlag, EnvFileOption, JsonFlag, TargetArgument

if TYPE_CHECKING:
    from holdfast.core.config import LimitSettings
    from holdfast.core.operation import Operation
    from holdfast.server import Server

_FLAGS = ("read_only", "idempotent", "destructive", "open_world", "lenient")


def list_(
    target: TargetArgument,
    as_json: JsonFlag = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
    debug: DebugFlag = False,
) -> None:
    """List what a server offers, with facts and limits. Nothing is started, so no workspace need be set."""
    from holdfast.cli.discovery import Sources, Target, find
    from holdfast.cli.streams import diverted

    chosen = Target.parse(target)
    with diverted():
        server = find(chosen, Sources(config, env_file, debug))
        limits = server.load_settings().settings.limits
        shelves = shelves_of(server)
        entries = {kind: [entry_of(item, limits) for item in items] for kind, items in shelves.items()}
    if as_json:
        print(json.dumps({"server": {"name": server.name, "version": server.version}, **entries}, indent=2))
    else:
        _show(server, entries)


def shelves_of(server: Server) -> dict[str, list[Operation]]:
    """Everything the server and its mounts offer, by the word under which it is listed."""
    registry = server.whole()
    resources = list(registry.resources.values())
    return {
        "tools": list(registry.tools.values()),
        "resources": [item for item in resources if not item.is_template],
        "templates": [item for item in resources if item.is_template],
        "prompts": list(registry.prompts.values()),
    }


def entry_of(operation: Operation, defaults: LimitSettings) -> dict[str, Any]:
    """The operation as clients see it, and under ``facts`` and ``limits`` what they do not see."""
    from holdfast.core.limits import settle

    return {**operation.listing(), "facts": _facts(operation), "limits": asdict(settle(operation.limits, defaults))}


def _facts(operation: Operation) -> dict[str, Any]:
    from holdfast.core.needs import needs_of

    facts: dict[str, Any] = {name: getattr(operation, name) for name in _FLAGS}
    facts["cacheable"] = operation.ttl
    facts["isolation"] = operation.where()
    facts["scopes"] = sorted(operation.scopes)
    facts["needs"] = sorted(needs_of(operation))
    return facts


def _show(server: Server, entries: Mapping[str, list[dict[str, Any]]]) -> None:
    from holdfast.cli.screen import Table

    shown = False
    for kind, items in entries.items():
        if items:
            rows = [
                (_name(item), described(item["facts"]), limited(item["limits"]), item.get("description", ""))
                for item in items
            ]
            print() if shown else None
            Table(f"{server.name}: {len(items)} {kind}", ("NAME", "FACTS", "LIMITS", "DESCRIPTION"), [*rows]).show()
            shown = True
    if not shown:
        print(f"{server.name} offers nothing yet")


def _name(item: Mapping[str, Any]) -> str:
    return str(item.get("uri") or item.get("uriTemplate") or item["name"])


def described(facts: Mapping[str, Any]) -> str:
    """Facts in words; what holds by default is left out."""
    words = [name.replace("_", "-") for name in _FLAGS if facts[name]]
    words += [f"cached {facts['cacheable']:g} s"] if facts["cacheable"] else []
    words += [f"in a {facts['isolation']}"] if facts["isolation"] != "inline" else []
    return ", ".join([*words, *_prefixed("scope", facts["scopes"]), *_prefixed("needs", facts["needs"])]) or "-"


def _prefixed(word: str, names: Iterable[str]) -> list[str]:
    return [f"{word} {name}" for name in names]


def limited(limits: Mapping[str, Any]) -> str:
    """Limits in words."""
    return (
        f"{limits['timeout']:g} s, {limits['rate']}, {limits['concurrency']} at once + {limits['queue']} waiting, "
        f"in {sized(limits['input'])}, out {sized(limits['output'])}"
    )


def sized(count: float) -> str:
    """Bytes in the largest unit that gives a short number: ``1 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} GiB"
