"""One lock around the first import of torch.

Rooms import it in their own threads, because it takes longer than the first frame may; two that begin it at
once can each see the other's half of it, and fail on a name that is not there yet.
"""

import threading

TORCH_IMPORT = threading.Lock()
