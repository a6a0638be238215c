"""What the path types share: their lexical rules at construction, and the root that they open beneath."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from holdfast.errors import UnsafePath
from holdfast.safe import names
from holdfast.safe.handle import Handle
from holdfast.safe.names import Deny
from holdfast.safe.refusals import names_directory
from holdfast.safe.sandbox import Sandbox

if TYPE_CHECKING:
    from holdfast.safe.paths import Root

DEFAULT_RULES: Final = Deny()


class PathHandle(Handle):
    """The lexical part that all three share. The text is checked here, however the handle came to be."""

    __slots__ = ("_parts",)

    needs: ClassVar[str | None] = "workspace"
    max_text: ClassVar[int] = names.MAX_TEXT

    def __init__(self, text: str, sandbox: Sandbox | None) -> None:
        super().__init__(text, sandbox)
        self._parts = names.parse(text, self._rules())
        self.text = "/".join(self._parts) or "."

    @property
    def name(self) -> str:
        """The last component; empty for the root."""
        return self._parts[-1] if self._parts else ""

    def place(self) -> tuple[Root, tuple[str, ...]]:
        """The root and the checked components, for work on two handles at once. Raises ``UnsafePath``."""
        return self._root(), self._parts

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, PathHandle) and self._root_name() == other._root_name()

    __hash__ = Handle.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        root = None if self._sandbox is None else self._sandbox.workspace
        return (type(self).from_text, (self.text, Sandbox(workspace=root)))  # the rest need not be opened anew

    def _root_name(self) -> str | None:
        root = None if self._sandbox is None else self._sandbox.workspace
        return None if root is None else root.name

    def _rules(self) -> Deny:
        root = self._sandbox.workspace if self._sandbox is not None else None
        return DEFAULT_RULES if root is None else root.deny

    def _root(self) -> Root:
        root = self._sandbox.workspace if self._sandbox is not None else None
        if root is None:
            raise UnsafePath("this server has no workspace to open files in", code="path.no_workspace")
        return root


class FileHandle(PathHandle):
    """A path that cannot be the root itself."""

    __slots__ = ()

    def __init__(self, text: str, sandbox: Sandbox | None) -> None:
        super().__init__(text, sandbox)
        if not self._parts:
            raise names_directory()

    @property
    def suffix(self) -> str:
        """The last component's ending with its dot, as ``pathlib`` has it; empty when there is none."""
        stem, dot, ending = self.name.rpartition(".")
        return dot + ending if stem else ""  # a name that ends with a dot is not taken
