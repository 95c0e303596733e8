"""Sessions: documents that are opened, edited and told about.

`document` holds the versions, which never change; `quick` computes the quick stage from what the last version left;
`run` takes one document through its stages, always the newest version; `outbox` holds what is still to be sent, where the
newer replaces the older; `session` reads what a client says; `registry` knows all sessions and lets them drain.
Everything but the work itself runs on the event loop.
"""
