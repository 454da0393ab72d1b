"""What ships: default checkpoint and its card, fonts, palettes, the TouchDesigner helper."""
