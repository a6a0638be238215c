"""docs/comparison.md, made of the reports: scores by class, worst findings, and where others do better than ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from compare_reports import FAILED, INCONCLUSIVE, PASSED, Judged, told
from compare_subjects import HTTP, OURS, STDIO, Compared

WORST = 10
"""Findings of each server that are shown."""
REASONS = 12
"""Reasons why cases were not applicable that are shown."""
TITLES = {STDIO: "over stdio", HTTP: "over HTTP"}
HEAD = """# Comparison

Made by `make compare` from real runs; do not edit it. Each server was judged by `holdfast attack` with the same cases,
seed and limits, one after the other on one machine. Every server was started in a temporary folder made for it, and was
allowed to write there (`--allow-writes`), so that its writing tools are judged too.

- *holdfast* ("ours") is the example that a newcomer starts from, with every setting at its default.
- *SDK* and *FastMCP* have the same seven tools, written as those frameworks' own documentation shows such tools; the
  functions are the same ones (`benchmarks/peers/plain.py`, where each choice names the page that it follows), so that a
  difference between the two is the framework's. *Careful* is the same by an author who uses every aid that the
  framework offers (`benchmarks/peers/careful.py`).
- The reference servers have other tools than ours, and fewer: what a server has no tool for is *not applicable* and
  never counts as passed. Compare their rows class by class, not their totals.

A score is the share of the weight (severity) of the cases that passed; what is advice, not applicable or inconclusive
is in no score. `holdfast attack` was written by the authors of holdfast: each case names a specification, an advisory
or a measured harm that backs it (`holdfast attack --list`), and what only taste backs is advice. Still, who writes the
examination knows the questions.
"""
LIMITS = """## What this cannot tell

- It judges from outside. What a server logs, audits, or would do in a week of work is not seen, nor is what no case
  asks.
- A tool that a server does not have is not judged, and neither are prompts, resources, or what a model makes of a text.
- The frameworks do more than serve tools: FastMCP has clients, proxies, mounting and authentication for many providers,
  and the SDK is the reference for the protocol itself. None of that is judged here, and holdfast has less of it.
- server-git says of itself that it is in early development, and server-fetch warns of its use on a private network.
- One run on one machine. Verdicts do not depend on its speed; the seconds in "Start and memory" do.
"""


def page(servers: Sequence[Compared], judged: Sequence[Judged], about: dict[str, Any]) -> str:
    """The whole page; the same reports give the same page."""
    labels = {server.name: server.label for server in servers}
    parts = [
        HEAD,
        _run(servers, judged, about),
        *(_scores(labels, [one for one in judged if one.transport == over], over) for over in (STDIO, HTTP)),
        _better(labels, judged, about),
        _starts(labels, about["starts"]),
        LIMITS,
        *(_server(server, [one for one in judged if one.name == server.name]) for server in servers),
        _again(servers, about),
    ]
    return "\n".join(part for part in parts if part)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell or '-' for cell in line)} |\n" for line in lines)


def percent(score: float | None) -> str:
    """Cut rather than rounded: 100 % is said of nothing that failed."""
    return "-" if score is None else f"{int(score * 100 + 1e-9)} %"


def _run(servers: Sequence[Compared], judged: Sequence[Judged], about: dict[str, Any]) -> str:
    rows = []
    for server in servers:
        own = [one for one in judged if one.name == server.name]
        versions = sorted({version for one in own for version in one.said["subject"]["versions"]})
        package = f"{server.package} {about['versions'].get(server.name, '')}".strip().replace("@", "\\@")
        seconds = " and ".join(f"{one.said['run']['seconds']:.0f}" for one in own)
        tools = str(max(one.said["subject"]["tools"] for one in own))
        shown = f"`{server.shown}`"
        rows.append([server.label, package, shown, tools, ", ".join(versions), ", ".join(server.transports), seconds])
    only = f"only {', '.join(about['cases'])}; " if about["cases"] else ""
    run = f"{about['date']}, {only}{about['profile']} profile, seed {about['seed']}, {about['machine']}."
    heads = ("server", "version", "started as", "tools", "protocol", "judged over", "seconds")
    sources = "".join(f"- {server.label}: {server.source}\n" for server in servers)
    return f"## What was run\n\n{run}\n\n{table(heads, rows)}\n{sources}"


def _scores(labels: dict[str, str], judged: Sequence[Judged], over: str) -> str:
    if not judged:
        return ""
    kinds = list(dict.fromkeys(kind for one in judged for kind in one.classes))
    rows = [[kind, *(_cell(one.row(kind)) for one in judged)] for kind in kinds]
    rows.append(["**all**", *(_cell(one.whole) for one in judged)])
    heads = ("class", *(labels[one.name] for one in judged))
    said = "Score, and in brackets how many outcomes passed and failed; `-` where nothing could be scored."
    return f"## Scores {TITLES[over]}\n\n{said}\n\n{table(heads, rows)}"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["score"] is None:
        return "-"
    return f"{percent(row['score'])} ({row['passed']}/{row['failed']})"


def _better(labels: dict[str, str], judged: Sequence[Judged], about: dict[str, Any]) -> str:
    """Everything in which another server does better than ours, said plainly."""
    lines = [*_better_cases(labels, judged), *_better_classes(labels, judged), *_better_starts(labels, about["starts"])]
    if not lines:
        lines = ["- In no case, no class, and neither in start nor memory."]
    return "## Where another does better than ours\n\n" + "\n".join(lines) + "\n"


def _better_cases(labels: dict[str, str], judged: Sequence[Judged]) -> list[str]:
    lines = []
    for ours in (one for one in judged if one.name == OURS):
        others = [one for one in judged if one.transport == ours.transport and one.name != OURS]
        for key, outcome in ours.outcomes.items():
            if outcome["verdict"] not in (FAILED, INCONCLUSIVE):
                continue
            passed = [labels[one.name] for one in others if one.outcomes.get(key, {}).get("verdict") == PASSED]
            if passed:
                where = f"`{key[0]}` ({ours.transport}, {key[1]})"
                lines.append(f"- {where}: ours {outcome['verdict']}, passed by {', '.join(passed)}.")
    return lines


def _better_classes(labels: dict[str, str], judged: Sequence[Judged]) -> list[str]:
    lines = []
    for ours in (one for one in judged if one.name == OURS):
        for other in (one for one in judged if one.transport == ours.transport and one.name != OURS):
            for kind in ours.classes:
                own, theirs = ((row or {}).get("score") for row in (ours.row(kind), other.row(kind)))
                if own is not None and theirs is not None and theirs > own:
                    scores = f"{percent(theirs)}, ours {percent(own)}"
                    lines.append(f"- The class {kind} {TITLES[ours.transport]}: {labels[other.name]} has {scores}.")
    return lines


def _better_starts(labels: dict[str, str], starts: dict[str, Any]) -> list[str]:
    lines, ours = [], starts[OURS]
    for key, word, unit in (("seconds", "Starts faster", "s"), ("memory", "Needs less memory", "MiB")):
        better = [name for name in starts if starts[name][key] < ours[key]]
        told_of = ", ".join(f"{labels[name]} ({_figure(starts[name][key], unit)})" for name in better)
        if better:
            lines.append(f"- {word} than ours ({_figure(ours[key], unit)}): {told_of}.")
    return lines


def _figure(value: float, unit: str) -> str:
    return f"{value:.2f} s" if unit == "s" else f"{value:.0f} MiB"


def _starts(labels: dict[str, str], starts: dict[str, Any]) -> str:
    rows = [
        [labels[name], _figure(found["seconds"], "s"), _figure(found["memory"], "MiB")]
        for name, found in starts.items()
    ]
    said = (
        "From the start of the process over `initialize` to the list of its tools, over stdio, and the memory of all\n"
        "its processes then: medians, measured in the same run, the servers in turn."
    )
    return f"## Start and memory\n\n{said}\n\n{table(('server', 'first list of tools', 'memory'), rows)}"


def _server(server: Compared, judged: Sequence[Judged]) -> str:
    return f"## {server.label}\n\n" + "\n".join(_over(server, one) for one in judged)


def _over(server: Compared, one: Judged) -> str:
    heads = ("class", "passed", "failed", "advice", "not applicable", "inconclusive", "score")
    rows = [_counts(kind, row) for kind in one.classes if (row := one.row(kind)) is not None]
    rows.append(_counts("**all**", one.whole))
    notes = "".join(f"- {told(note)}\n" for note in one.said["run"]["notes"])
    command = f"`{server.command_shown(one.transport)}`"
    return "\n".join(
        part
        for part in (
            f"### {server.label} {TITLES[one.transport]}\n\n{command}\n\n{table(heads, rows)}",
            notes,
            _findings(one),
            _undecided(one),
            _missing(one),
        )
        if part
    )


def _counts(kind: str, row: dict[str, Any]) -> list[str]:
    names = (PASSED, FAILED, "advice", "not_applicable", INCONCLUSIVE)
    return [kind, *(str(row[name]) for name in names), percent(row["score"])]


def _findings(one: Judged) -> str:
    failures = one.failures()
    if not failures:
        return "No case failed.\n"
    rows = [
        [each.severity, f"`{each.case}`", told(each.title), each.what, ", ".join(each.versions)]
        for each in failures[:WORST]
    ]
    more = len(failures) - WORST
    rest = f"\n... and {more} more: {', '.join(f'`{each.case}`' for each in failures[WORST:])}.\n" if more > 0 else ""
    heads = ("severity", "case", "a sound server", "what was found first", "protocol")
    cases = f"{len(failures)} case{'s' * (len(failures) != 1)} failed"
    return f"Worst findings ({cases}):\n\n{table(heads, rows)}{rest}"


def _undecided(one: Judged) -> str:
    rows = [[f"`{case}`", why] for case, why in one.undecided()]
    return f"Could not be judged:\n\n{table(('case', 'why'), rows)}" if rows else ""


def _missing(one: Judged) -> str:
    reasons = sorted(one.missing().items(), key=lambda pair: (-pair[1], pair[0]))
    rows = [[why, str(count)] for why, count in reasons[:REASONS]]
    if len(reasons) > REASONS:
        rows.append(["other reasons", str(sum(count for _, count in reasons[REASONS:]))])
    return f"Not applicable:\n\n{table(('because', 'cases'), rows)}" if rows else ""


def _again(servers: Sequence[Compared], about: dict[str, Any]) -> str:
    names = f" --only {','.join(server.name for server in servers)}" if about["cases"] else ""
    return (
        "## How to make it again\n\n"
        "`make compare` installs what is locked in `.ci/peers` and `.ci/judges/clients/fastmcp.lock`, runs everything\n"
        f"and writes this page (`python benchmarks/comparing.py{names}`; `--help` tells its options). The reports\n"
        "stay in `.cache/compare`, with every finding, the bytes sent and what came back; `--page` makes the page of\n"
        "them anew. One finding again: the command above behind `holdfast attack --case ID --`.\n"
    )
