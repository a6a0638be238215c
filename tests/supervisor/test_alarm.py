"""The parent's signals come as numbers it can wait for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

CODE = """
import os, select, signal
from holdfast.supervisor.alarm import Alarm
alarm = Alarm()
alarm.listen()
assert list(alarm.heard()) == []
for number in (signal.SIGTERM, signal.SIGHUP):
    os.kill(os.getpid(), number)
assert select.select([alarm], [], [], 5)[0]
print(*alarm.heard())
alarm.close()
"""


def test_signals_that_came_are_read_in_order() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, timeout=30, check=True, env=dict(os.environ)
    )
    assert ran.stdout.decode().split() == [str(int(signal.SIGTERM)), str(int(signal.SIGHUP))]
