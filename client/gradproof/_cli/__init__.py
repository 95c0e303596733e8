"""The `gradproof` command: arguments in, pages of text or JSON out, and an exit code.

Nothing here computes a derivative; it names targets, asks a transport and shows the answer.
"""
