"""Values that pass between services, the mailbox that hands them on, and what is read between two of them."""
