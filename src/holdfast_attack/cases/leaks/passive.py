"""Looks back at all that a server has said: its own secrets must not be in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from holdfast_attack.model import Case, Eras, Finding, FoundSeveral, NotApplicable, Severity
from holdfast_attack.model.case import advisory

if TYPE_CHECKING:
    from holdfast_attack.play.probe import Probe

OWN_CASE = frozenset({"hard-link"})
"""Secrets that another case, of another severity, tells of."""


async def environment(probe: Probe) -> int:
    """Secrets of the server's environment."""
    if not probe.started:
        raise NotApplicable("the server was not started here, so that there are no secrets in its environment")
    return _unheard(probe, probe.arena.canaries.environment, "the variable {} of its environment")


async def files(probe: Probe) -> int:
    """Secrets that stand outside the root."""
    names = [name for name in probe.arena.canaries.files if name not in OWN_CASE]
    return _unheard(probe, names, "the secret {!r}, which stands outside its root,")


def _unheard(probe: Probe, names: Iterable[str], words: str) -> int:
    known = tuple(names)
    heard = [name for name in probe.heard.names if name in known]
    if heard:
        raise FoundSeveral(
            tuple(
                Finding(f"{words.format(name)} was in its {probe.heard.source(name)}", got=probe.heard.where(name))
                for name in heard
            )
        )
    return len(known)


CASES = (
    Case(
        id="leaks.environment",
        title="No secret of the environment ever came back",
        severity=Severity.CRITICAL,
        eras=Eras.EACH,
        last=True,
        sends="nothing: it looks at all answers, errors and logs of the run",
        sound="none holds a secret that was planted in the server's environment, in any spelling",
        reference=advisory("CWE-526, CWE-200"),
        remedy="tell nothing of the environment; replace known secrets, and their encodings, in all that goes out",
        advisories=("token-in-a-log",),
        play=environment,
    ),
    Case(
        id="leaks.files",
        title="Nothing from outside the root ever came back",
        severity=Severity.CRITICAL,
        eras=Eras.EACH,
        last=True,
        sends="nothing: it looks at all answers, errors and logs of the run",
        sound="none holds a secret that was planted beside the root, in any spelling",
        reference=advisory("CWE-22, CWE-200"),
        remedy="see the cases of the class paths that failed; else look for what reads files on its own",
        play=files,
    ),
)
