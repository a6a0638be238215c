"""What each principal is shown of a server: lists without what it may not use, made once for all who see the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from holdfast.access.capabilities import allows
from holdfast.errors import Refusal

if TYPE_CHECKING:
    from holdfast.access.capabilities import Capabilities, Reach
    from holdfast.core.operation import Operation
    from holdfast.core.principal import Principal
    from holdfast.safe.sandbox import Sandbox

MAX_VIEWS: Final = 128
"""Lists that are kept, each for all principals that hold the same; one that is not kept is made again."""

Shelf = Sequence[tuple["Operation", dict[str, Any]]]


class Visibility:
    """Belongs to one snapshot. Without grants and scopes everybody is shown the same lists, at no cost."""

    def __init__(self, access: Capabilities | None, shelves: Mapping[str, Shelf]) -> None:
        self._access = access
        self._shelves = shelves
        self._whole = {what: [entry for _, entry in shelf] for what, shelf in shelves.items()}
        operations = [operation for shelf in shelves.values() for operation, _ in shelf]
        asked = frozenset[str]().union(*(operation.scopes for operation in operations))
        self._scopes = tuple(frozenset({s}) for s in sorted(asked | (access.scopes if access else frozenset())))
        self._reaches: dict[Operation, Reach] = {}
        if access is not None:
            self._reaches = {operation: access.reach(operation) for operation in operations}
        self.granted = access is not None
        """Whether the operator grants anything, so that all else is refused."""
        self.open = access is None and not asked
        """Whether everybody sees everything."""
        self._views: OrderedDict[tuple[Any, ...], list[dict[str, Any]]] = OrderedDict()

    def listed(self, what: str, principal: Principal) -> list[dict[str, Any]]:
        """The entries that ``principal`` may use now; the same list again for whoever holds the same."""
        if self.open:
            return self._whole[what]
        key = (what, *self._standing(principal))
        view = self._views.get(key)
        if view is None:
            view = [entry for operation, entry in self._shelves[what] if self.shows(principal, operation)]
            self._views[key] = view
            while len(self._views) > MAX_VIEWS:
                self._views.popitem(last=False)
        else:
            self._views.move_to_end(key)
        return view

    def idle_grants(self) -> list[str]:
        """Where the grants stand that are of no use with what is offered."""
        return [] if self._access is None else self._access.idle(self._reaches.values())

    def whole(self) -> Mapping[str, list[dict[str, Any]]]:
        """The lists with everything in them."""
        return self._whole

    def _standing(self, principal: Principal) -> tuple[Any, ...]:
        """All that decides what a principal sees."""
        scopes = tuple([principal.may(scope) for scope in self._scopes])
        return scopes if self._access is None else (*self._access.moment(principal), scopes)

    def shows(self, principal: Principal, operation: Operation) -> bool:
        """Whether ``principal`` may use it, with some arguments at least."""
        reach = self._reaches.get(operation)
        return principal.may(operation.scopes) and (reach is None or reach.standing(principal) == "open")

    def hides(self, principal: Principal, operation: Operation) -> bool:
        """Whether it is to be as unknown to ``principal`` as what does not exist: nothing of it was ever granted."""
        reach = self._reaches.get(operation)
        return reach is not None and reach.standing(principal) == "hidden"

    def may_follow(
        self, principal: Principal, operation: Operation, parameters: Mapping[str, str], sandbox: Sandbox
    ) -> bool:
        """Whether ``principal`` may hear of changes of a resource: it may read it, and subscribe."""
        if not principal.may(operation.scopes):
            return False
        reach = self._reaches.get(operation)
        if reach is None:
            return True
        try:
            args = operation.arguments.check(parameters, sandbox)
            reach.check_arguments(principal, args)
            return allows(reach.check_extra(principal, "subscribe"), args)
        except Refusal:
            return False
