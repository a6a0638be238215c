"""Help for agents: capabilities, context, defaults, suggestions. To come; it will read ``core.registry``."""
