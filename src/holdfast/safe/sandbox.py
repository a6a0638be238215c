"""What a server's handles may reach: the one object that validation passes to every handle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.safe.databases import AnyDatabase
    from holdfast.safe.paths import Root
    from holdfast.safe.policy import UrlPolicy


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Built once from the settings. A field that is ``None``, or a missing name, means: nothing of that kind."""

    workspace: Root | None = None
    urls: UrlPolicy | None = None
    database: AnyDatabase | None = None
    roots: Mapping[str, Root] = field(default_factory=dict)
    learn: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
    """Told every secret that comes as an argument, so that it leaves nowhere; stays in the server's own process."""

    def __reduce__(self) -> Any:
        return (Sandbox, tuple(None if each.name == "learn" else getattr(self, each.name) for each in fields(self)))

    def within(self, name: str) -> Sandbox:
        """What a path of the named root sees: that root as its workspace, and nothing else."""
        return Sandbox(workspace=self.roots.get(name))

    def all_roots(self) -> Iterator[Root]:
        """The workspace, if there is one, and the named roots."""
        if self.workspace is not None:
            yield self.workspace
        yield from self.roots.values()

    def close(self) -> None:
        """Let go of what is held open; a handle used afterwards is refused."""
        for root in self.all_roots():
            root.close()
