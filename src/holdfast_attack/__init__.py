"""The hostile client that judges any MCP server. To come; only the command line will import it."""
