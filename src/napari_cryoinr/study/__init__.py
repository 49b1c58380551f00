"""The study of the model `paper`: its source's claims and open questions, measured on any maps.

`cases` are maps with what is known of them, `tasks` say what is measured, `measuring` does it, and
`stored_rows` keeps it. `parts` has a module for each question: its tasks, its table and plot, and
what it says of a claim. `running` goes through the parts, and `pages` writes what was found.
"""

from .running import Study, study, study_steps
from .study_settings import PARTS, StudySettings

__all__ = ["PARTS", "Study", "StudySettings", "study", "study_steps"]
