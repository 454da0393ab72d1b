"""Everything about motion: data, network, generation, training and evaluation. No window, camera or socket.

Packages import only what stands before them: motion and emotion, data, network, generation, training and
evaluation, study. The modules beside them are commands.
"""
