"""A node: a hub joined to its log. With more than one node, also to its peers."""
