"""Where a process becomes a supervisor: the parent stays in here, and its workers come out."""

from __future__ import annotations

import os
from typing import cast

from holdfast.supervisor.heirlooms import Heirlooms, W
from holdfast.supervisor.parent import Parent
from holdfast.supervisor.worker import InWorker


def supervise(heirlooms: Heirlooms[W]) -> W:
    """Become a supervisor. Returns in each worker, with what it was handed; the process itself ends in here."""
    parent = Parent(heirlooms)
    try:
        status = parent.run()
    except InWorker as forked:
        return cast("W", forked.worker)  # what ``heirlooms`` made
    except BaseException:  # a fault of ours must not leave workers without a parent
        parent.end_all()
        raise
    os._exit(status)
