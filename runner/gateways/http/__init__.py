"""HTTP to a model's server: connections, timers, server-sent events, credentials, errors."""
