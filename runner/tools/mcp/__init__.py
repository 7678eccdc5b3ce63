"""Tools of MCP servers. The only asynchronous code of the package lives here, each server in a thread of its own.

`source` is what a toolbox sees, `server_lifecycle` the thread behind it, `connection` one connection by `stdio` or
`streamable_http`, `requests` what is sent over it; `tool_list` and `content` validate what comes back, and
`pinned_tools` remembers it. Nothing here imports the SDK before a server is started.
"""
