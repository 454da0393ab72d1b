"""OSC in and out: the table of addresses, packets, formats, senders and targets.

The visitor's poses over OSC are read in `engine.visitor`.
"""
