"""Pixels: compiled loops, enlarging, sprites, glow, and which regions were drawn on."""
