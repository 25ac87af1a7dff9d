"""Where sockets meet the hub: WebSocket connections, HTTP on the same port, start and stop."""
