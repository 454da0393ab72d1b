"""What the operator, a show file and the visitor's emotion ask for, as one value; not how it is sent or
shown."""
