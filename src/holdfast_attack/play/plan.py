"""What a run is to do, in plain values: which server, which cases, how long at most."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from holdfast.errors import ConfigurationError
from holdfast_attack.link.messages import is_modern
from holdfast_attack.model import Case, Kind, Profile
from holdfast_attack.target.address import Address, parse_url
from holdfast_attack.target.command import settled

LIMITS = {Profile.QUICK: 300.0, Profile.FULL: 1500.0}
"""Seconds that a whole run may take at most."""
CALL_DEADLINE = 35.0
"""Seconds that any call may take when nobody says otherwise: holdfast's 30 and some for the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``words``: the command, empty when there is only a URL. ``only``: ids of cases, or classes; empty for all."""

    words: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    """The command as the user wrote it."""
    address: Address | None = None
    token: str | None = field(default=None, repr=False)
    label: str = ""
    only: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """Of the protocol; empty for all that the server speaks."""
    profile: Profile = Profile.QUICK
    seed: int = 0
    allow_writes: bool = False
    limit: float = LIMITS[Profile.QUICK]
    call_deadline: float = CALL_DEADLINE
    patience: float = 30.0
    here: Path = field(default_factory=Path.cwd)
    cwd: Path | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, words: Sequence[str] = (), *, url: str | None = None, **more: object) -> Self:
        """Check and complete. Raises ``ConfigurationError`` in words for the user."""
        plan = cls(**more)  # type: ignore[arg-type]  # checked by those who call it
        if not words and url is None:
            raise ConfigurationError("name a server: holdfast attack -- COMMAND, or --url http://127.0.0.1:PORT/mcp")
        address = None if url is None else parse_url(url)
        if address is not None and not address.port and not words:
            raise ConfigurationError("{port} in --url is for a command that is started: ... -- COMMAND {port}")
        plan = replace(plan, words=settled(words, plan.here), given=tuple(words), address=address)
        plan = plan if "limit" in more else replace(plan, limit=LIMITS[plan.profile])
        return plan if plan.label else replace(plan, label=" ".join(words) or str(url))

    def chosen(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """The cases that are to be played, in their order. Raises ``ConfigurationError`` for an id that is unknown."""
        known = {case.id for case in cases} | set(Kind)
        for name in self.only:
            if name not in known:
                raise ConfigurationError(f"there is no case {name!r}{_nearest(name, known)}; --list shows them all")
        return tuple(case for case in cases if self._wanted(case))

    def command_line(self) -> str:
        """What plays the same again; the token is left for the user to put in."""
        words = ["holdfast", "attack"]
        words += ["--full"] if self.profile is Profile.FULL else []
        words += ["--seed", str(self.seed)] if self.seed else []
        words += ["--allow-writes"] if self.allow_writes else []
        words += ["--era", "modern" if is_modern(self.versions[0]) else "legacy"] if self.versions else []
        words += ["--call-deadline", f"{self.call_deadline:g}"] if self.call_deadline != CALL_DEADLINE else []
        words += ["--cwd", str(self.cwd)] if self.cwd else []
        words += ["--url", str(self.address)] if self.address else []
        words += ["--token", "TOKEN"] if self.token else []
        words += [word for name in self.extra for word in ("--env", name)]
        words += ["--", *self.given] if self.given else []
        return shlex.join(words)

    def _wanted(self, case: Case) -> bool:
        if case.id in self.only:
            return True  # asked for by its id: also one that takes long
        if self.only and case.kind not in self.only:
            return False
        return self.profile is Profile.FULL or case.profile is Profile.QUICK


def _nearest(name: str, known: set[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, sorted(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""
