"""``Tool``: what an author writes, as a class; the decorator builds the same thing (see ``function``)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

from holdfast.core.arguments import ModelArguments, ToolInput
from holdfast.core.operation import Operation, doc
from holdfast.core.output import ToolOutput, declared_output, freely
from holdfast.errors import ConfigurationError, OutputInvalid

if TYPE_CHECKING:
    from holdfast.core.pipeline import Answer

__all__ = ["Tool", "ToolInput", "ToolOutput"]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
"""Tool names that every client accepts."""


class Tool(Operation):
    """A tool. Subclass it, say what goes in and out, and write ``run``::

        class WordCount(Tool):
            \"\"\"Count the words of a note.\"\"\"
            class Input(ToolInput):
                path: ReadPath
            class Output(ToolOutput):
                words: int
            async def run(self, args: Input, ctx: Context) -> Output: ...

    The class's name in snake_case and its docstring are the tool's name and description unless ``name`` and
    ``description`` say otherwise. Raises ``ConfigurationError`` when built wrongly.
    """

    kind: ClassVar = "tool"
    Input: type[ToolInput] = ToolInput
    Output: Any = None

    def __init__(self) -> None:
        self.name = self.name or snake(type(self).__name__)
        self.description = self.description or doc(type(self))
        if not callable(getattr(self, "run", None)):
            raise ConfigurationError(f"tool {self.name}: a Tool says what it does in run(self, args, ctx)")
        self.check_facts()
        self.arguments = ModelArguments(self.Input, lenient=self.lenient)
        declared = self.Output if self.Output is not None else self._annotated_output()
        self.output = declared_output(declared)
        self.check_name()

    def check_name(self) -> None:
        """Raise ``ConfigurationError`` unless every client accepts the name."""
        if NAME.fullmatch(self.name) is None:
            raise ConfigurationError(
                "a tool's name has 1 to 64 letters, digits, underscores or hyphens: " + repr(self.name)
            )

    def _annotated_output(self) -> Any:
        declared = inspect.get_annotations(self.run).get("return", Any)
        if not isinstance(declared, str):
            return declared
        module = inspect.getmodule(self.run)
        names = {
            **(vars(module) if module is not None else {}),
            **{k: v for c in reversed(type(self).__mro__) for k, v in vars(c).items()},
        }
        try:
            return get_type_hints(_Return(declared), globalns=names)["return"]
        except (NameError, TypeError) as error:
            raise ConfigurationError(
                f"{type(self).__name__}.run: the return type cannot be resolved: {error}"
            ) from None

    def listing(self) -> dict[str, Any]:
        """The tool as ``tools/list`` shows it."""
        entry = super().listing()
        entry["inputSchema"] = self.arguments.schema
        if self.output is not None:
            entry["outputSchema"] = self.output.schema
        entry["annotations"] = self._annotations()
        return entry

    def _annotations(self) -> Mapping[str, Any]:
        hints: dict[str, Any] = {"readOnlyHint": self.read_only, "idempotentHint": self.idempotent or self.read_only}
        if not self.read_only:
            hints["destructiveHint"] = True if self.destructive is None else self.destructive
        if self.open_world is not None:
            hints["openWorldHint"] = self.open_world
        return hints

    def present(self, value: Any) -> Answer:
        """See ``Operation.present``."""
        return freely(value) if self.output is None else self.output.present(value)

    def recheck(self, answer: Answer) -> None:
        """See ``Operation.recheck``."""
        structure = answer.body.get("structuredContent")
        if self.output is not None and not answer.is_error:
            if not isinstance(structure, dict):
                raise OutputInvalid("the tool's answer lacks its structured output; this is a fault of the server")
            self.output.recheck(structure)


class _Return:
    """Carries one annotation to ``get_type_hints``, so that the others need not be resolvable at run time."""

    def __init__(self, annotation: str) -> None:
        self.__annotations__ = {"return": annotation}


def snake(name: str) -> str:
    """``WordCount`` -> ``word_count``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
