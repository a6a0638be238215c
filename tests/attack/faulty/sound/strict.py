"""Reads one JSON-RPC message from bytes: bounded before anything is built, strict, refused with the right error."""

from __future__ import annotations

import json
import re
from typing import Any

from sound.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, Refused

# Possessive, and an unended string matches too: no text makes this go back over what it has read.
TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{\]},]', re.DOTALL)
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Reading:
    """From bytes to a message whose envelope is right."""

    DEPTH = 64
    ELEMENTS = 20_000
    DIGITS = 40
    ID = 256  # characters

    def parse(self, raw: bytes) -> dict[str, Any]:
        """Raises ``Refused``."""
        text = self.decoded(raw)
        self.measure(text)
        message = self.enveloped(self.loaded(text))
        if SURROGATE.search(text):
            self.whole(message)
        return message

    def decoded(self, raw: bytes) -> str:
        """The text of a line or body."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(PARSE_ERROR, "a message is UTF-8") from None

    def measure(self, text: str) -> None:
        """Depth and number of elements, before any of them is built."""
        depth = elements = 0
        for token in TOKEN.finditer(text):
            mark = text[token.start()]
            if mark in "[{":
                depth += 1
            elif mark in "]}":
                depth -= 1
            elements += mark in "[{,"
            if depth > self.DEPTH or elements > self.ELEMENTS:
                raise Refused(PARSE_ERROR, "the message is nested too deep or has too many elements")

    def loaded(self, text: str) -> Any:
        """What the text says."""
        try:
            return json.loads(
                text,
                object_pairs_hook=self.pairs,
                parse_constant=self.constant,
                parse_float=self.fraction,
                parse_int=self.integer,
            )
        except (ValueError, RecursionError):
            raise Refused(PARSE_ERROR, "a message is JSON") from None

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """An object; a key that is there twice means two things to two readers."""
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refused(PARSE_ERROR, "an object has each key once")
        return found

    def constant(self, name: str) -> Any:
        """NaN and the infinities are no JSON."""
        raise Refused(PARSE_ERROR, "a number is finite")

    def fraction(self, digits: str) -> float:
        """A number with a point or an exponent."""
        value = float(digits)
        return value if abs(value) != float("inf") else self.constant(digits)

    def integer(self, digits: str) -> int | float:
        """A whole number; of one with many digits no more than a float holds."""
        return int(digits) if len(digits) <= self.DIGITS else self.fraction(digits)

    def enveloped(self, message: Any) -> dict[str, Any]:
        """A message, when it is one."""
        if isinstance(message, list):
            return self.batch(message)
        if not isinstance(message, dict):
            raise Refused(INVALID_REQUEST, "a message is an object")
        self.identified(message)
        number = message.get("id")
        if message.get("jsonrpc") != "2.0":
            raise Refused(INVALID_REQUEST, 'a message has "jsonrpc": "2.0"', number)
        if "method" in message:
            self.shaped(message)
        elif "id" not in message or ("result" in message) == ("error" in message):
            raise Refused(INVALID_REQUEST, "a message has a method, a result or an error", number)
        return message

    def batch(self, messages: list[Any]) -> dict[str, Any]:
        """Batches left the protocol with 2025-06-18."""
        raise Refused(INVALID_REQUEST, "batches are not part of the protocol")

    def identified(self, message: dict[str, Any]) -> None:
        """An id is a string or an integer."""
        if "id" in message and not self.is_id(message["id"]):
            if message["id"] is None and "error" in message and "method" not in message:
                return  # what a client says of a message of ours that it could not read
            raise Refused(INVALID_REQUEST, "an id is a short string or an integer")

    def is_id(self, number: Any) -> bool:
        """Whether this may be the id of a request."""
        if isinstance(number, str):
            return len(number) <= self.ID
        return isinstance(number, int) and not isinstance(number, bool)

    def shaped(self, message: dict[str, Any]) -> None:
        """A method is a string, its params an object."""
        if not isinstance(message["method"], str):
            raise Refused(INVALID_REQUEST, "a method is a string", message.get("id"))
        if not isinstance(message.get("params", {}), dict):
            raise Refused(INVALID_PARAMS, "params are an object", message.get("id"))

    def whole(self, message: dict[str, Any]) -> None:
        """Half of a character (a lone surrogate) is no text, and no encoder would take it later."""
        if not encodable(message):
            number = message.get("id")
            raise Refused(INVALID_REQUEST, "a text holds half of a character", number if encodable(number) else None)


def encodable(value: Any) -> bool:
    """Whether every text in it can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
