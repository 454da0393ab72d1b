"""Everything about motion: skeleton, features, networks, streaming generator, data and training.

Nothing here opens a window, a camera or a socket, and nothing here imports `engine`.
"""
