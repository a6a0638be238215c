"""Imported by the fork server, and by nothing else: from here on its standard output is its standard error.

On stdio the server's own standard output carries the protocol. A worker process imports the author's main module
before any function of ours runs in it, so what that module prints at import would reach the client; the fork server
has to be quiet before it forks. ``multiprocessing`` can only be told to import a module there, not to call a
function, hence the one module of holdfast that acts when it is imported.
"""

import os

os.dup2(2, 1)
