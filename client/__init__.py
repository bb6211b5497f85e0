"""The typed client of our own API, for the bots, the web, the command line and anybody's script."""
