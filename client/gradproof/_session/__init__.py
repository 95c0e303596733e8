"""Documents on the client's side: programs that stay open at the service, are edited, and are told about.

`link` is one stream to a service; `keeper` holds the documents of one client over as many streams as it takes; `document`
is what the user has in hand; `difference` finds the edits between two programs; `aio` is the asynchronous face.
"""
