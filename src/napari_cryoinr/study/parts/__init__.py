"""The parts of the study, in the order of its page."""

from ..entries import Part
from . import ablations, bands, headline, scaling, traits

ALL: dict[str, Part] = {
    part.name: part
    for part in (headline.PART, traits.PART, bands.PART, scaling.PART, ablations.PART)
}
