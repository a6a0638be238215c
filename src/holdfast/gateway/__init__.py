"""Fronts many child servers. To come; it will implement ``core.endpoint.Endpoint`` over its children."""
