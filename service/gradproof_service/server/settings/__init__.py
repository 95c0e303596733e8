"""The configuration of a service: one table of settings, read from a file, the environment and the command line."""
