"""The guarantee, tested: real hub, client and log over a network that fails, on virtual time, from a seed."""
