"""What must outlive the process: one embedded, durable store."""
