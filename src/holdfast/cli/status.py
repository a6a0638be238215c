"""``holdfast status``: which servers run, how they are, and an exit status that a script can ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from holdfast.cli.options import ConfigOption, EnvFileOption, JsonFlag
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast.core.config import Settings
    from holdfast.state.running import Found

HEALTHY: Final = 0
UNHEALTHY: Final = 1
NONE_RUNNING: Final = 3
"""Exit statuses of an init script's ``status`` (Linux Standard Base 5.0, 20.2): 3 is "not running"."""
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0

WhereArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[WHERE]",
        help="A server's file, its state folder, the pid of its supervisor or worker, or its http(s) URL; "
        "by default every server of the state folder (HOLDFAST_STATE, or the user's).",
        show_default=False,
    ),
]


def status(
    where: WhereArgument = None,
    as_json: JsonFlag = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = None,
) -> None:
    """Show the servers that run and how they are. Exit status: 0 all healthy, 1 one is not, 3 none runs."""
    found = _found(where, config, env_file)
    if as_json:
        print(json.dumps({"format": 1, "servers": found}, indent=2))
    else:
        print("\n\n".join(map(told, found)) or "no server is running here")
    raise typer.Exit(exit_status(found))


def exit_status(found: Sequence[Mapping[str, Any]]) -> int:
    """What the command ends with."""
    if not found:
        return NONE_RUNNING
    return HEALTHY if all(server["healthy"] for server in found) else UNHEALTHY


def _found(where: str | None, config: Path | None, env_file: Path | None) -> list[dict[str, Any]]:
    from holdfast.cli.asking import at_url, beneath
    from holdfast.cli.discovery import Target

    if where is None:
        return beneath(_base(_settings(config, env_file)))
    if where.startswith(("http://", "https://")):
        return at_url(where, _settings(config, env_file).health.token)
    if where.isascii() and where.isdigit():
        return _of_pid(int(where), config, env_file)
    path = Path(where)
    if path.is_dir():
        return beneath(path)
    return _of_file(Target.parse(where).file, config, env_file)


def _of_file(file: Path, config: Path | None, env_file: Path | None) -> list[dict[str, Any]]:
    """The servers that were started with this file; its settings say where their state lies."""
    from holdfast.cli.asking import beneath
    from holdfast.core.layers import CONFIG_FILE

    beside = file.with_name(CONFIG_FILE)
    settings = _settings(config or (beside if beside.is_file() else None), env_file)

    def started(record: Found) -> bool:
        return str(file) in record.facts.get("files", ())

    return beneath(_base(settings), started)


def _of_pid(pid: int, config: Path | None, env_file: Path | None) -> list[dict[str, Any]]:
    """The server whose supervisor or worker this is; its own environment may say where its state lies."""
    from holdfast.cli.asking import beneath

    bases = [_base(_settings(config, env_file))]
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # it is gone, or another user's, or there is no /proc
        variables = []
    bases += [Path(each[15:].decode(errors="replace")) for each in variables if each.startswith(b"HOLDFAST_STATE=")]
    for base in dict.fromkeys(bases):
        if found := [each for each in beneath(base) if pid in (each["supervisor"], each["worker"])]:
            return found
    return []


def _settings(config: Path | None, env_file: Path | None) -> Settings:
    from holdfast.core.layers import load

    for given in (config, env_file):
        if given is not None and not given.is_file():
            raise ConfigurationError(f"{given} is not a file")
    return load({}, file=config, env_file=env_file).settings


def _base(settings: Settings) -> Path:
    from holdfast.state.location import default_state_dir

    return settings.state or default_state_dir()


def told(server: Mapping[str, Any]) -> str:
    """One server in a few lines of words."""
    from holdfast.cli.screen import one_line

    name = f"{server['name']} {server['version']} ({server['transport']})"
    lines = [f"{name}: {_word(server)}", f"  {', '.join(_processes(server))}"]
    if server["state"] in ("serving", "not ready"):
        lines.append(f"  {', '.join(_load(server))}")
        quarantined = [f"{tool} for {_long(left)} more" for tool, left in server["quarantined"].items()]
        alerts = [f"{probe} (stage {stage})" for probe, stage in server["alerts"].items()]
        checks = [f"{name}: {each['detail']}" for name, each in server["checks"].items() if each["status"] != "ok"]
        for title, items in (("quarantined", quarantined), ("alerts", alerts), ("checks", checks)):
            lines += [f"  {title}: {'; '.join(items)}"] if items else []
    return "\n".join(line[: len(line) - len(line.lstrip())] + one_line(line) for line in lines)


def _word(server: Mapping[str, Any]) -> str:
    said = {
        "silent": "does not answer: its event loop stands still, or its disk does",
        "restarting": "no worker serves now: the supervisor is starting one",
        "not ready": f"not ready: {server.get('reason', '')}",
    }.get(server["state"])
    return said or {"ok": "healthy", "degraded": "healthy, but degraded"}.get(server["status"], "unhealthy")


def _processes(server: Mapping[str, Any]) -> list[str]:
    words = [f"{who} {server[who]}" for who in ("supervisor", "worker") if server[who] is not None]
    if server.get("uptime") is not None:
        words += [f"up {_long(server['uptime'])}"]
    if server.get("restarts"):
        why = f" (the last: {server['last_end']})" if server["last_end"] else ""
        words += [f"serving {_long(server['serving'])}", f"restarts {server['restarts']}{why}"]
    return words


def _load(server: Mapping[str, Any]) -> list[str]:
    calls, memory = server["calls"], server["memory"]
    words = [f"{calls['in_flight']} calls in flight", f"{calls['queued']} queued"]
    words += [f"{calls['orphans']} abandoned"] if calls["orphans"] else []
    words += [f"{calls['zombies']} stuck in threads"] if calls["zombies"] else []
    words += [f"shedding {server['shed']}"] if server["shed"] else []
    if memory["resident"] is not None:
        words.append(f"memory {memory['resident'] / 2**20:.0f} of {memory['budget'] / 2**20:.0f} MiB")
    return [*words, f"lag {server['lag'] * 1000:.1f} ms"]


def _long(seconds: float) -> str:
    """A duration in words that a person reads at a glance."""
    for unit, name, smaller, lesser in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name} {seconds % unit // smaller:.0f} {lesser}"
    return f"{seconds // _MINUTE:.0f} min {seconds % _MINUTE:.0f} s" if seconds >= _MINUTE else f"{seconds:.1f} s"
