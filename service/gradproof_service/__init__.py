"""The derivative checking service: graphs, ops, transforms, checks, findings and the server."""
