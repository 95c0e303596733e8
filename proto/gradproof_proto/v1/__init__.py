"""Wire package `gradproof.v1`: the `.proto` files and the modules generated from them by `proto/generate.py`.

Messages live in `program_pb2`, `check_pb2`, `derivative_pb2`, `catalogue_pb2`, `blob_pb2`; the stubs in `*_pb2_grpc` are
the only modules here that import gRPC.
"""
