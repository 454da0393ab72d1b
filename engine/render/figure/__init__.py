"""The dancer's body: its volumes, their height field and their shading."""
