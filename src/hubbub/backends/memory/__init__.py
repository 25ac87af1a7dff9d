"""Everything in this process's memory: the reference for every port, and the default."""
