"""The temporary folders that a hostile client plays in: canaries, traps, a database and a web server of its own."""

from holdfast_attack.arena.arena import Arena
from holdfast_attack.arena.canaries import Canaries
from holdfast_attack.arena.web import Hit, WebCanary

__all__ = ["Arena", "Canaries", "Hit", "WebCanary"]
