"""The transformer with its mixture-density head, its units and inputs, and the checkpoint that holds them."""
