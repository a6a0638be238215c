"""The server that is judged: how it is started or reached, what its processes are, and how nothing of it is left."""

from holdfast_attack.target.launch import CannotStart, Launch, Running

__all__ = ["CannotStart", "Launch", "Running"]
