"""What a user of the package touches: the application object, routing, authentication."""
