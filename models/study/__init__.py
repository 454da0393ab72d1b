"""The study: systems of the research prototype and of this project, trained and measured alike."""
