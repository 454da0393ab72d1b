"""Everything live: capture, pose, emotion, inference loop, OSC, renderer, supervision, settings."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
