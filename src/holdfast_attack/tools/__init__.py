"""What a server lists, what its parameters are for, and arguments for them: honest ones, and wrong ones."""

from holdfast_attack.tools.conforms import Checker, conforms
from holdfast_attack.tools.honest import honest, value_for
from holdfast_attack.tools.listed import Dropped, Tool, Toolbox
from holdfast_attack.tools.parameter import Parameter
from holdfast_attack.tools.refs import foreign, resolved
from holdfast_attack.tools.vocabulary import Role
from holdfast_attack.tools.world import World

__all__ = [
    "Checker",
    "Dropped",
    "Parameter",
    "Role",
    "Tool",
    "Toolbox",
    "World",
    "conforms",
    "foreign",
    "honest",
    "resolved",
    "value_for",
]
