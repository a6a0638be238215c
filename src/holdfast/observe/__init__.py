"""What the server says about itself: logs, metrics, traces, the audit log and health."""
