"""The hub: synchronous and local. It holds connections, rooms, groups and topics, and never waits."""
