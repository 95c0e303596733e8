"""Who may call: certificates, tokens, and the guard that stands before every method."""
