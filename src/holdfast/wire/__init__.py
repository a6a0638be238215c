"""Bytes in, bytes out: the transports, and the adapter to the SDK."""
