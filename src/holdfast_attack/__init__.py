"""The hostile client that judges any MCP server. Nothing is here yet; only the command line will import it."""
