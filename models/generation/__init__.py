"""The streaming generator: one call, one frame; and how it answers a visitor."""
