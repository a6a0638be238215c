"""A hostile and an unlucky client for MCP servers: plays cases, and says what went wrong (``holdfast attack``)."""
