"""The servers that the hub is compared with, each one program that takes a port."""
