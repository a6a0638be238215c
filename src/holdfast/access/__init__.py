"""Who calls and what they may: tokens, principals, quotas."""
