"""All ports over a Unix socket, for the workers of one machine: the broker has the stores; nothing is to install."""
