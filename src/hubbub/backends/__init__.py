"""One package a technology, each with the ports that it serves."""
