"""The benchmark: this hub and its peers, in turn, under one load generator. See README.md."""
