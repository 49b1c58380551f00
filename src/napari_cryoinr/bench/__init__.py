"""Our size, time and memory beside those of other codecs at the same error; needs imagecodecs.

`peers` puts the other codecs behind one small interface, `errors` says what "the same error" is,
`tuning` finds the fewest bytes of a peer, `worker` encodes in a process of its own so that its
memory can be told, `measure` brings these together, `table` and `plots` show the outcome.
"""

from .bench_rows import Case, Encoding, Row, cases_for, row_steps
from .peers import chosen_peers

__all__ = ["Case", "Encoding", "Row", "cases_for", "chosen_peers", "row_steps"]
