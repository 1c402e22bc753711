"""The ledger itself: every claim accounted for, inputs replaced, errors that help."""

from __future__ import annotations

import pytest

from drivetrain.errors import BadInputError, DrivetrainError, UnknownNameError
from drivetrain.insight.claims import ledger
from drivetrain.insight.claims.check import Check, Input, register
from drivetrain.insight.claims.text import claims


def test_every_claim_is_checked_or_repeats_another_or_says_why_not():
    checked = set(ledger.all_checks())
    for name, claim in claims().items():
        ways = [name in checked, bool(claim.same_as), bool(claim.reason)]
        assert sum(ways) == 1, f"{name}: a check, same_as or reason in claims.toml, exactly one of them"


def test_both_essays_are_there_in_order():
    names = list(claims())
    assert names == [f"A{i:02}" for i in range(1, 75)] + [f"B{i:02}" for i in range(1, 48)]
    assert {claim.essay for claim in claims().values()} == {"000", "004"}


def test_a_repeated_claim_shows_the_finding_of_the_other():
    repeated, first = ledger.run(["A19", "A02"])
    assert repeated.same_as == "A02"
    assert (repeated.computed, repeated.range, repeated.verdict) == (first.computed, first.range, first.verdict)
    assert repeated.claim != first.claim
    assert repeated.evidence.startswith("As A02. ")


def test_an_untestable_claim_says_why():
    (found,) = ledger.run(["A17"])
    assert (found.computed, found.range, found.verdict) == (None, None, "not testable here")
    assert "Kaplan" in found.evidence


def test_inputs_are_replaced_with_and_without_units():
    (plain,) = ledger.run(["A02"], {"compute_flop": "1e25"})
    (same,) = ledger.run(["a02"], {"compute_flop": "1e10 PFLOP"})
    assert plain.computed == same.computed
    assert plain.inputs["compute_flop"] == Input(1e25, "FLOP", "your choice")


def test_unknown_names_are_told_with_what_was_meant():
    with pytest.raises(UnknownNameError, match=r"claim 'A99'"):
        ledger.run(["A99"])
    with pytest.raises(UnknownNameError, match=r"'compute_flops'. Did you mean 'compute_flop'"):
        ledger.run(["A02"], {"compute_flops": 1.0})
    with pytest.raises(UnknownNameError, match=r"'loose'. Did you mean 'too loose'"):
        ledger.verdict_called("loose")


@pytest.mark.parametrize("value", ["many", "nan", "inf", "3 kg", ""])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(BadInputError, match="compute_flop"):
        ledger.run(["A02"], {"compute_flop": value})


def test_impossible_inputs_name_the_claim():
    with pytest.raises(DrivetrainError, match="A20 cannot be computed"):
        ledger.run(["A20"], {"tokens": 0.0})
    with pytest.raises(DrivetrainError, match="A02 cannot be computed"):
        ledger.run(["A02"], {"alpha": -1.0})


def test_a_claim_has_one_check():
    check = ledger.all_checks()["A02"]
    with pytest.raises(ValueError, match="twice"):
        register(Check(**{name: getattr(check, name) for name in Check.__slots__}))


def test_progress_is_told():
    told = []
    ledger.run(["A20", "A21"], tell=lambda *args: told.append(args))
    assert told == [("claims", 0, 2), ("claims", 1, 2)]
