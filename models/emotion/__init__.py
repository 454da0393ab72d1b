"""The palette of emotions and the glide from one to another."""
