"""A resilient client. To come; it will reuse the mechanisms of ``resilience``."""
