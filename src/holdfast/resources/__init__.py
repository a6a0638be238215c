"""What a call uses and what it leaves behind."""
