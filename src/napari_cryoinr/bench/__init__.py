"""Our size, time and memory beside those of other codecs at the same error; needs imagecodecs.

`peers` lists the other codecs, `cases` says what is measured, `error_measure` is "the same error",
`encoding` runs an encoder in a process of its own, `bench_rows` brings these together, `table` and
`plots` show the outcome.
"""

from .bench_rows import Encoding, MapBench, Row
from .cases import Case, cases_for
from .peers import chosen_peers

__all__ = ["Case", "Encoding", "MapBench", "Row", "cases_for", "chosen_peers"]
