import pytest

from drivetrain.comms.calibrated import coefficients_from
from drivetrain.comms.coefficients import Coefficients, LinkFit, Regime
from drivetrain.errors import FileError

RING = {"algorithm": "ring", "launch_s": 1e-6, "hop_s": 1e-7, "efficiency": 0.5}
RAW = {
    "fit": [
        {"library": "engine", "op": "all_reduce", "link": "switch", "regimes": [RING]},
        {"library": "engine", "op": "all_reduce", "link": "nvlink4", "regimes": [RING | {"launch_s": 2e-6}]},
        {"library": "nccl", "op": "all_reduce", "link": "nvlink5", "regimes": [RING]},
        {"library": "nccl", "op": "all_gather", "link": "switch", "regimes": [RING | {"launch_s": 3e-6}]},
        {"library": "nccl", "op": "all_reduce", "link": "network", "regimes": [RING | {"launch_s": 4e-6}]},
    ]
}


def test_the_fabric_wins_over_the_pool_and_spelling_does_not_matter():
    fits = coefficients_from(RAW)
    assert fits.fit("all_reduce", "switch", "NVLink 4").regimes[0].launch_s == 2e-6
    assert fits.fit("all_reduce", "switch", "nvlink6").link == "switch"


def test_what_a_library_lacks_comes_from_the_others_then_from_the_datasheet():
    fits = coefficients_from(RAW, "engine")
    assert fits.fit("all_reduce", "switch", "nvlink5").link == "switch"  # its own pool before NCCL's family
    assert fits.fit("all_gather", "switch", "nvlink5").regimes[0].launch_s == 3e-6
    assert fits.fit("all_reduce", "network", "").regimes[0].launch_s == 4e-6
    assert fits.fit("all_reduce", "torus", "ici").link == "torus"


def test_a_link_family_that_a_library_was_not_measured_on_comes_from_all_engines():
    own = {"library": "sglang", "op": "all_reduce", "link": "switch", "regimes": [RING | {"launch_s": 5e-6}]}
    fits = coefficients_from({"fit": [*RAW["fit"], own]}, "sglang")
    assert fits.fit("all_reduce", "switch", "nvlink4").regimes[0].launch_s == 2e-6
    assert fits.fit("all_reduce", "switch", "nvlink5").regimes[0].launch_s == 5e-6  # NCCL's family does not stand in
    assert len([f for f in fits.fits if (f.op, f.link) == ("all_reduce", "switch")]) == 1


def test_a_calibration_that_cannot_be_read_says_so():
    with pytest.raises(FileError, match="no library 'mscclpp'"):
        coefficients_from(RAW, "mscclpp")
    with pytest.raises(FileError, match="cannot read"):
        coefficients_from({"fit": [{"library": "engine", "op": "all_reduce", "link": "switch"}]})
    with pytest.raises(FileError, match="has no fit"):
        Coefficients("empty", ()).fit("all_reduce", "switch", "nvlink4")


@pytest.mark.parametrize(
    "bad",
    [
        {"efficiency": 1.2},
        {"efficiency": 0.0},
        {"launch_s": -1e-6},
        {"algorithm": "tree"},
        {"in_switch": 2.0},
    ],
)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(FileError):
        Regime(**(RING | bad))


def test_a_fit_has_one_to_three_regimes():
    for n in (0, 4):
        with pytest.raises(FileError):
            LinkFit("all_reduce", "switch", (Regime(**RING),) * n)
