"""A resilient client. Nothing is here yet; it will reuse the mechanisms of ``resilience``."""
