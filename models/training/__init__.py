"""Training: windows of clips, motion matching, DAgger, losses and the training loop."""
