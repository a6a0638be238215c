"""The command line: ``holdfast run``, ``list``, ``call``, ``check``, ``config``, ``secret``, ``new``, ``version``."""

from holdfast.cli.entry import main

__all__ = ["main"]
