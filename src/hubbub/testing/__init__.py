"""Shipped for users too: what helps to test an application on Hubbub, and Hubbub itself."""
