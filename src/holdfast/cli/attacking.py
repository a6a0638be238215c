"""What ``holdfast attack`` does with its options: plays, reports, and finds the exit status."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from holdfast.cli import interrupted
from holdfast.cli.attack import FOUND, NOT_STARTED, Era
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from holdfast_attack.model import Report
    from holdfast_attack.play import Plan


_REPORTS = ("json", "junit", "sarif", "html")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options. ``plan`` are those of ``Plan``."""

    words: tuple[str, ...]
    url: str | None
    compare: tuple[str, ...]
    plan: Mapping[str, Any]
    files: Mapping[str, Path]
    baseline: Path | None
    write_baseline: Path | None
    fail_on: str
    quiet: bool

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From the command's parameters by name. Raises ``ConfigurationError``."""
        return cls(
            words=tuple(given["command"] or ()),
            url=given["url"],
            compare=tuple(given["compare"] or ()),
            plan=_options(given),
            files={name: given[name] for name in _REPORTS if given[name] is not None},
            baseline=given["baseline"],
            write_baseline=given["write_baseline"],
            fail_on=given["fail_on"].value,
            quiet=given["quiet"],
        )


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a plan is told; None is left out, so that its own defaults hold."""
    from holdfast_attack.link.messages import LEGACY, MODERN
    from holdfast_attack.model import Profile

    eras = {None: None, Era.legacy: LEGACY, Era.modern: (MODERN,)}
    told = {
        "token": given["token"],
        "only": tuple(given["case"] or ()),
        "profile": Profile.FULL if given["full"] else Profile.QUICK,
        "versions": eras[given["era"]],
        "seed": given["seed"],
        "allow_writes": given["allow_writes"],
        "limit": given["time_limit"],
        "call_deadline": given["call_deadline"],
        "patience": given["start_timeout"],
        "cwd": given["cwd"],
        "extra": variables(given["env"] or ()),
    }
    return {name: value for name, value in told.items() if value is not None}


def run(asked: Asked) -> int:
    """Do what was asked for; the exit status. Raises ``ConfigurationError``."""
    if sys.platform == "win32":
        raise ConfigurationError("holdfast attack needs POSIX processes and pipes: on Windows run it in WSL")
    if not asked.compare:
        return judge(asked)
    if asked.words or asked.url:
        raise ConfigurationError("--compare names its servers itself: leave the command and --url out")
    return compare(asked)


def show(name: str | None) -> None:
    """Print every case in a line, or all about one. Raises ``ConfigurationError`` for an id that is unknown."""
    from holdfast_attack.cases import all_cases, case_of
    from holdfast_attack.cases.listing import explained, listed

    print(listed(all_cases()) if name is None else explained(case_of(name)))


def variables(given: Sequence[str]) -> dict[str, str]:
    """``NAME=VALUE``, or a NAME whose value is this process's own. Raises ``ConfigurationError``."""
    extra = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not name or "\0" in word:
            raise ConfigurationError("--env takes NAME=VALUE, or the NAME of a variable of yours")
        if not equals and name not in os.environ:
            raise ConfigurationError(f"--env {name}: there is no such variable here; give it as NAME=VALUE")
        extra[name] = value if equals else os.environ[name]
    return extra


def judge(asked: Asked) -> int:
    """Attack one server; the exit status."""
    from holdfast_attack.play import Plan
    from holdfast_attack.report import files

    plan = Plan.of(asked.words, url=asked.url, **asked.plan)
    known = _baseline(asked)
    written = {"baseline": asked.write_baseline} if asked.write_baseline else {}
    with files.checked({**asked.files, **written}):
        report = _played(plan, asked)
        if isinstance(report, int):
            return report
        if known is not None:
            report = known.accept(report)
        files.write(report, asked.files)
    _tell(report, asked)
    return _status([report], asked)


def compare(asked: Asked) -> int:
    """Attack several servers one after the other, and print them side by side; the exit status."""
    from holdfast_attack.report import comparison, files

    for option in asked.files:
        if option != "json":
            raise ConfigurationError(f"--{option} reports one server; with --compare there is --json")
    plans = [_named(entry, asked) for entry in asked.compare]
    reports: list[Report] = []
    with files.checked(asked.files):
        for plan in plans:
            report = _played(plan, asked)
            if isinstance(report, int):
                return report
            reports.append(report)
        comparison.show(reports)
        if "json" in asked.files:
            comparison.write(reports, asked.files["json"])
    return _status(reports, asked)


def _status(reports: Sequence[Report], asked: Asked) -> int:
    from holdfast_attack.model import Severity
    from holdfast_attack.model.scorecard import fails

    least = Severity[asked.fail_on.upper()]
    return FOUND if any(fails(report, least) for report in reports) else 0


def _named(entry: str, asked: Asked) -> Plan:
    from holdfast_attack.play import Plan

    name, equals, command = entry.partition("=")
    if not name or not equals or not command.strip():
        raise ConfigurationError('--compare takes "NAME=COMMAND", such as --compare "ours=python a.py"')
    try:
        words = shlex.split(command)
    except ValueError:
        raise ConfigurationError(f"--compare {name}: a quotation mark of the command is never closed") from None
    return Plan.of(words, label=name, **asked.plan)


def _played(plan: Plan, asked: Asked) -> Report | int:
    """The report, or the exit status of a server that could not be started."""
    from holdfast_attack.play import attack
    from holdfast_attack.report import progress_for
    from holdfast_attack.target import CannotStart

    progress = progress_for(sys.stderr, asked.quiet)
    try:
        return interrupted.run(attack(plan, progress))
    except CannotStart as error:
        what = "the server could not be started" if plan.words else "there is no server to attack"
        print(f"holdfast: {what}: {_one_line(str(error))}", file=sys.stderr)
        return NOT_STARTED


def _baseline(asked: Asked) -> Any:
    from holdfast_attack.cases import all_cases
    from holdfast_attack.report.baseline import read

    return None if asked.baseline is None else read(asked.baseline, {case.id for case in all_cases()})


def _tell(report: Report, asked: Asked) -> None:
    from holdfast_attack.report import baseline, terminal

    terminal.show(report, sys.stdout)
    if asked.write_baseline is not None:
        baseline.write(report, asked.write_baseline)
        print(f"holdfast: what was found is accepted in {asked.write_baseline}", file=sys.stderr)


def _one_line(text: str) -> str:
    from holdfast.cli.screen import one_line

    return one_line(text)
