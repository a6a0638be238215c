"""Supervises and fronts many child servers. Nothing is here yet; it will implement ``core.endpoint.Endpoint`` over its children."""
