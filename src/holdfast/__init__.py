"""Hardened servers for the Model Context Protocol: the public names, each imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.core.bases import CommandTool, DatabaseTool, FileTool, HttpTool
    from holdfast.core.config import Settings
    from holdfast.core.content import Audio, EmbeddedResource, Image, Message, ResourceLink
    from holdfast.core.context import Context
    from holdfast.core.inject import Depends
    from holdfast.core.limits import Limits
    from holdfast.core.principal import Principal
    from holdfast.core.tool import Tool, ToolInput, ToolOutput
    from holdfast.errors import HoldfastError, Refusal, ToolError
    from holdfast.safe.paths import DirPath, ReadPath, WritePath
    from holdfast.safe.programs import Program
    from holdfast.safe.secrets import SecretValue
    from holdfast.safe.sql import ReadQuery
    from holdfast.safe.urls import PublicUrl
    from holdfast.safe.within import Within
    from holdfast.server import Server

_HOME = {
    "Server": "server",
    "Settings": "core.config",
    "Context": "core.context",
    "Depends": "core.inject",
    "Limits": "core.limits",
    "Principal": "core.principal",
    "Tool": "core.tool",
    "ToolInput": "core.tool",
    "ToolOutput": "core.tool",
    "Audio": "core.content",
    "EmbeddedResource": "core.content",
    "Image": "core.content",
    "Message": "core.content",
    "ResourceLink": "core.content",
    "CommandTool": "core.bases",
    "DatabaseTool": "core.bases",
    "FileTool": "core.bases",
    "HttpTool": "core.bases",
    "HoldfastError": "errors",
    "Refusal": "errors",
    "ToolError": "errors",
    "DirPath": "safe.paths",
    "ReadPath": "safe.paths",
    "WritePath": "safe.paths",
    "Program": "safe.programs",
    "SecretValue": "safe.secrets",
    "ReadQuery": "safe.sql",
    "PublicUrl": "safe.urls",
    "Within": "safe.within",
}

__all__ = [
    "Audio",
    "CommandTool",
    "Context",
    "DatabaseTool",
    "Depends",
    "DirPath",
    "EmbeddedResource",
    "FileTool",
    "HoldfastError",
    "HttpTool",
    "Image",
    "Limits",
    "Message",
    "Principal",
    "Program",
    "PublicUrl",
    "ReadPath",
    "ReadQuery",
    "Refusal",
    "ResourceLink",
    "SecretValue",
    "Server",
    "Settings",
    "Tool",
    "ToolError",
    "ToolInput",
    "ToolOutput",
    "Within",
    "WritePath",
]


def __getattr__(name: str) -> Any:
    """Import the room that holds ``name`` (PEP 562), so that start-up pays only for what is used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
