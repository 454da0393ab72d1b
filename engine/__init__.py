"""Everything that runs live: services, control, OSC, the dancer, the visitor, drawing and the window.

Packages import only what stands before them: streams, runtime, control and render, osc, settings, dancer and
visitor, screen, installation.
"""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
