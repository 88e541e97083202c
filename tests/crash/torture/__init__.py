"""Rigs that kill the daemon, or cut its power, while clients upload."""
