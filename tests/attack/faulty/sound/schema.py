"""Checks arguments against a tool's schema: the keywords that the tools use, nothing else, never echoing a value."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Checking:
    """One method for each way to be wrong; each says what is wrong, or None."""

    def check(self, schema: dict[str, Any], value: Any, name: str = "arguments") -> str | None:
        """What is wrong with a value."""
        for judge in (self.of_type, self.of_list, self.within, self.complete, self.known, self.inside):
            problem = judge(schema, value, name)
            if problem:
                return problem
        return None

    def of_type(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """``type``. A float without a fraction is an integer (JSON Schema 2020-12, 4.2.3); a boolean is no number."""
        kind = schema["type"]
        if kind == "integer" and isinstance(value, float) and value.is_integer():
            return None
        if isinstance(value, bool) and kind != "boolean":
            return f"{name} is not of type {kind}"
        return None if isinstance(value, TYPES[kind]) else f"{name} is not of type {kind}"

    def of_list(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """``enum``."""
        return f"{name} is none of the values listed" if "enum" in schema and value not in schema["enum"] else None

    def within(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """Bounds of numbers, texts and lists."""
        size = len(value) if isinstance(value, str | list) else value
        low = schema.get("minimum", schema.get("minLength", schema.get("minItems")))
        high = schema.get("maximum", schema.get("maxLength", schema.get("maxItems")))
        if (low is not None and size < low) or (high is not None and size > high):
            return f"{name} is out of its bounds"
        return None

    def complete(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """``required``."""
        missing = [key for key in schema.get("required", ()) if key not in value]
        return f"{missing[0]} is missing in {name}" if missing else None

    def known(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """``additionalProperties: false``."""
        if schema.get("additionalProperties") is False and not value.keys() <= schema["properties"].keys():
            return f"{name} holds something that has no place there"
        return None

    def inside(self, schema: dict[str, Any], value: Any, name: str) -> str | None:
        """What objects and lists hold."""
        if schema["type"] == "object":
            known, others = schema.get("properties", {}), schema.get("additionalProperties")
            inner = [(known[key], value[key], key) for key in known if key in value]
            inner += [(others, value[key], f"a member of {name}") for key in value if key not in known and others]
        elif schema["type"] == "array":
            inner = [(schema["items"], item, f"an item of {name}") for item in value]
        else:
            return None
        problems = (self.check(part, item, called) for part, item, called in inner)
        return next((problem for problem in problems if problem), None)
