"""Where a tool's blocking or untrusted code runs: counted threads, or processes that can be killed."""
