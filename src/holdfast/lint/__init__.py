"""``holdfast check``: looks at a server's code for what the guards cannot mend. Nothing is here yet; it will sit on ``core.registry``."""
