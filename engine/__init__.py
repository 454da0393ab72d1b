"""Everything live: capture, pose, emotion, inference loop, OSC, renderer, supervision, settings."""
