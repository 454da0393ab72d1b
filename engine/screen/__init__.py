"""The window: display, keys, frame pacing, what is shown when, overlay values and recordings."""
