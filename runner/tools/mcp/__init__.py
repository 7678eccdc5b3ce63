"""Tools of MCP servers. The only asynchronous code of the package lives here, each server in a thread of its own.

`source` is the synchronous face that a toolbox sees, `portal` the thread behind it, `connection` one life of one
server, `process` and `remote` the two ways to reach it, `asking` what is asked of it; `listing` and `content` judge
what it sends, `pins` remember it. Nothing here imports the SDK before a server is started.
"""
