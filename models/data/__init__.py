"""Clips: files of motion, BVH, kinds of movement, emotion profiles and restyling."""
