"""The inference service: 30 times a second one step of the generator, with the visitor as context."""
