"""gradproof checks derivatives: the Python SDK, the command and the gate."""
