"""Sessions and the registry of nodes in ZooKeeper (3.5 or newer), through kazoo, whose threads do the waiting."""
