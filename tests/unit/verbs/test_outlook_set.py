"""Quantities set by a person: every name as it is in the catalogue, and what cannot be read."""

import pytest

from drivetrain.errors import BadInputError
from drivetrain.verbs.outlook_set import example, known_quantities, parse_set, set_quantity


@pytest.mark.parametrize("text", ["training.growth", "=2", "training.growth=", "training.growth=1:2", "a.b=1"])
def test_settings_of_the_command_line_that_cannot_be(text):
    with pytest.raises(BadInputError):
        parse_set(text)


def test_every_quantity_of_the_catalogue_may_be_set_to_what_it_is():
    for name, one in known_quantities().items():
        if one.dimension in ("1", "tok", "USD"):
            assert set_quantity(name, {end: getattr(one, end) for end in ("low", "mid", "high")}).mid == one.mid
        else:
            assert set_quantity(name, example(one).strip('"')).mid == pytest.approx(one.mid, rel=5e-3)
