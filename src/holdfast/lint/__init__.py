"""``holdfast check``: what the guards cannot mend in a server's code. To come; it will sit on ``core.registry``."""
