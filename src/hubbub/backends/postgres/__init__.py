"""Documents on PostgreSQL: their log and their snapshots, in one schema of one database."""
