"""The wire contract of gradproof: messages in `gradproof_proto.v1`, and how arrays and programs are written into them.

Importing this package imports neither gRPC nor NumPy.
"""
