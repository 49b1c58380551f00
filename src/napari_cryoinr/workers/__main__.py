"""The child process: `python -m napari_cryoinr.workers`."""

from .child_process import serve
from .compression_tasks import COMPRESSION_TASKS
from .picking_tasks import PICKING_TASKS

serve(COMPRESSION_TASKS + PICKING_TASKS)
