"""Plays cases against a server.

From Python (tests, the matrix): ``await attack(plan)`` with a ``Plan``; see ``plan.py``. One case against one command:

    report = await attack(Plan.of(["python", "server.py"], only=("wire.batch",)))
    report = await attack(Plan.of(["python", "server.py", "http", "{port}"], url="http://127.0.0.1:{port}/mcp"))
"""

from holdfast_attack.play.engine import attack
from holdfast_attack.play.plan import Plan
from holdfast_attack.play.probe import Honest, Probe

__all__ = ["Honest", "Plan", "Probe", "attack"]
