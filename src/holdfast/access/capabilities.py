"""Who may use what: the grants that name an operation, and what is left of them for one principal now."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from holdfast.access.constraints import holds
from holdfast.access.grants import EVERYONE, SCOPE, USE, Grant, parse_grants
from holdfast.core.completion import Completion, owner_of
from holdfast.errors import AccessDenied

if TYPE_CHECKING:
    from holdfast.core.operation import Operation
    from holdfast.core.principal import Principal

Standing = Literal["open", "expired", "hidden"]


class Capabilities:
    """The operator's grants. Whoever is granted nothing may use nothing.

    A principal holds what is granted to its name, to each of its scopes (``*`` is every scope) and to everyone; a call
    goes through when one of these grants allows it. ``wall`` gives the seconds since the epoch.
    """

    def __init__(self, text: str, wall: Callable[[], float]) -> None:
        self.wall = wall
        self._named: dict[str, tuple[Grant, ...]] = {}
        self._scoped: dict[str, tuple[Grant, ...]] = {}
        self._everyone: tuple[Grant, ...] = ()
        for holder, grants in parse_grants(text).items():
            if holder == EVERYONE:
                self._everyone = grants
            elif holder.startswith(SCOPE):
                self._scoped[holder.removeprefix(SCOPE)] = grants
            else:
                self._named[holder] = grants
        self._ends = sorted({grant.until for grant in self._all() if grant.until is not None})

    def _all(self) -> Iterator[Grant]:
        yield from self._everyone
        for shelf in (self._named, self._scoped):
            for grants in shelf.values():
                yield from grants

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that bring grants."""
        return frozenset(self._scoped)

    def moment(self, principal: Principal) -> tuple[str | None, int]:
        """What, besides its scopes, decides what ``principal`` may use: its name, if something is granted to that, and
        how many grants have ended by now."""
        return principal.name if principal.name in self._named else None, bisect_right(self._ends, self.wall())

    def reach(self, operation: Operation) -> Reach:
        """The grants that name ``operation``; made once, when its chain is linked."""
        return Reach(self, *_subject(operation))

    def idle(self, reaches: Iterable[Reach]) -> list[str]:
        """Where the grants stand that are of no use: they name nothing that there is, or ask for an argument that
        nothing of that name has. Mostly a word that is written wrong."""
        used = {id(grant) for reach in reaches for grant in reach.grants()}
        return [grant.place for grant in self._all() if id(grant) not in used]

    def sift(self, fits: Callable[[Grant], bool]) -> Holdings:
        """The grants that fit, by holder."""

        def kept(grants: tuple[Grant, ...]) -> tuple[Grant, ...]:
            return tuple(grant for grant in grants if fits(grant))

        return Holdings(
            {name: found for name, grants in self._named.items() if (found := kept(grants))},
            {scope: found for scope, grants in self._scoped.items() if (found := kept(grants))},
            kept(self._everyone),
        )


class Holdings:
    """Some of the grants, by holder."""

    __slots__ = ("_everyone", "_named", "_scoped")

    def __init__(
        self,
        named: Mapping[str, tuple[Grant, ...]],
        scoped: Mapping[str, tuple[Grant, ...]],
        everyone: tuple[Grant, ...],
    ) -> None:
        self._named = named
        self._scoped = tuple((frozenset({scope}), grants) for scope, grants in scoped.items())
        self._everyone = everyone

    def of(self, principal: Principal) -> tuple[Grant, ...]:
        """What ``principal`` holds of them."""
        found = self._named.get(principal.name, ()) + self._everyone
        for scope, grants in self._scoped:
            if principal.may(scope):
                found += grants
        return found

    def __iter__(self) -> Iterator[Grant]:
        yield from self._everyone
        for grants in self._named.values():
            yield from grants
        for _, grants in self._scoped:
            yield from grants


class Reach:
    """Who may use one operation.

    A completion belongs to its prompt or template: it takes leave to use that, and leave to complete.
    """

    def __init__(self, access: Capabilities, kind: str, name: str, arguments: frozenset[str] | None) -> None:
        use = USE[kind]
        self._wall = access.wall
        self._kind = kind
        self._use = use
        self._users = access.sift(lambda grant: use in grant.actions and _reaches(grant, kind, name, arguments))
        self._extra = {
            action: access.sift(partial(_gives, action=action, kind=kind, name=name, arguments=arguments))
            for action in ("complete", "subscribe")
        }
        self.constrained = any(grant.where for grant in self._users)
        """Whether some grant asks for more than the name."""

    def grants(self) -> Iterator[Grant]:
        """Those that give leave for anything here."""
        yield from self._users
        for holdings in self._extra.values():
            yield from holdings

    def standing(self, principal: Principal) -> Standing:
        """``open``; ``expired`` when all that it held has ended; ``hidden`` when it never held anything."""
        held = self._users.of(principal)
        if not held:
            return "hidden"
        return "open" if self._live(held) else "expired"

    def check(self, principal: Principal) -> tuple[Grant, ...]:
        """The grants that let ``principal`` use it now, whatever its arguments. Raises ``AccessDenied``."""
        held = self._users.of(principal)
        if not held:
            raise AccessDenied(f"this {self._kind} is not granted to you; ask the operator for leave to {self._use} it")
        live = self._live(held)
        if not live:
            raise AccessDenied(
                f"your leave to {self._use} this {self._kind} has expired; ask the operator to renew it",
                code="access.expired",
            )
        return live

    def check_extra(self, principal: Principal, action: str) -> tuple[Grant, ...]:
        """As ``check``, for what needs leave of its own besides: ``complete``, ``subscribe``."""
        self.check(principal)
        live = self._live(self._extra[action].of(principal))
        if not live:
            raise AccessDenied(f"this is not granted to you; ask the operator for leave to {action} it")
        return live

    def check_arguments(self, principal: Principal, args: Any) -> None:
        """Whether one of the grants allows these (validated) arguments. Raises ``AccessDenied``."""
        if not allows(self.check(principal), args):
            raise AccessDenied(
                f"your leave to {self._use} this {self._kind} does not cover these arguments; "
                "send others, or ask the operator for leave to use these",
                code="access.constraint",
            )

    def _live(self, held: tuple[Grant, ...]) -> tuple[Grant, ...]:
        now = self._wall()
        return tuple(grant for grant in held if grant.until is None or now < grant.until)


def allows(grants: tuple[Grant, ...], args: Any) -> bool:
    """Whether one grant's constraints hold, all of them."""
    return any(all(holds(args, path, wanted) for path, wanted in grant.where) for grant in grants)


def _subject(operation: Operation) -> tuple[str, str, frozenset[str] | None]:
    """Kind, name and arguments as grants see them; ``None`` for the arguments of something else's completion."""
    if isinstance(operation, Completion):
        return operation.owner_kind, owner_of(operation.name), None
    name = str(getattr(operation, "uri", operation.name)) if operation.kind == "resource" else operation.name
    return operation.kind, name, frozenset(operation.arguments.schema.get("properties", ()))


def _reaches(grant: Grant, kind: str, name: str, arguments: frozenset[str] | None) -> bool:
    """Whether a grant can ever allow a call: a constraint on an argument that there is not never holds."""
    known = arguments is None or all(path[0] in arguments for path, _ in grant.where)
    return known and grant.names_it(kind, name)


def _gives(grant: Grant, action: str, kind: str, name: str, arguments: frozenset[str] | None) -> bool:
    """Whether a grant gives leave for ``action``. What is half typed can be held to no constraint: a grant with one
    lets nobody complete."""
    if action not in grant.actions or (action == "complete" and grant.where):
        return False
    return _reaches(grant, kind, name, arguments)
