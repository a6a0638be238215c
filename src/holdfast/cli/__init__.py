"""The command line: ``holdfast run``, ``list``, ``call``, ``check``, ``attack``, ``config`` and the others."""

from holdfast.cli.entry import main

__all__ = ["main"]
