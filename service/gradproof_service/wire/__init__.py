"""Messages to the records of the lower floors and back. Only this package and `server/` know protobuf."""
