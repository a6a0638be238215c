"""``holdfast check``: what the guards cannot mend in a server's code. No running server imports it."""
