"""A sound MCP server of the standard library alone, in pieces small enough that a fault is one overridden method."""

from sound.calls import Call, Peer
from sound.errors import HttpRefused, Refused, ToolFailed
from sound.files import NO_FILE
from sound.http import Answer, Http
from sound.requests import Head, Incoming
from sound.run import main
from sound.server import Sound
from sound.sessions import Session
from sound.stdio import Stdio
from sound.tools import Tool, annotated, text
from sound.web import Target

__all__ = [
    "NO_FILE",
    "Answer",
    "Call",
    "Head",
    "Http",
    "HttpRefused",
    "Incoming",
    "Peer",
    "Refused",
    "Session",
    "Sound",
    "Stdio",
    "Target",
    "Tool",
    "ToolFailed",
    "annotated",
    "main",
    "text",
]
