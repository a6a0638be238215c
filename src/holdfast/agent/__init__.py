"""Help for agents: capabilities, context, defaults, suggestions. Nothing is here yet; it will read ``core.registry``."""
