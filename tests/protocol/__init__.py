"""The protocol layer: sans-IO, so that every test here is a function of its input."""
