"""Processes that compute: forked from one that is ready, fed over sockets, killed when nobody waits for them."""
