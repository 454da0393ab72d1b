"""Drawing, as a function of a frame's values and the time; no window and no threads."""
