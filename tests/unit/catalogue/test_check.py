import pytest

from drivetrain.catalogue.check import check


def messages(file):
    return [f"{problem.field}: {problem.message}" for problem in check() if file in problem.file]


def test_shipped_catalogue_is_sound():
    assert check() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"1979 TFLOP/s"', '"3958 TFLOP/s"', "flops.fp8: is 4 times BF16 where 2 is usual"),
        ('"80 GiB"', '"80 GB"', "usable_memory: usable 85.52 GB exceeds physical 80 GB"),
        ('"70 W"', '"400 W"', "idle: idle 400 W is above half of TDP"),
        ('"450 GB/s"', '"900 GB/s"', "scaleup.stated: 18 links of 25 GB/s"),
        ('source = "aiconfigurator"', 'source = "hearsay"', "source 'hearsay' is not in sources.toml"),
        ('seen = "2026-11"', 'seen = "lately"', "seen 'lately' is no date"),
        ('kind = "switch"', 'kind = "mesh"', "scaleup.n_links: a mesh of 8 has 7 links"),
        ('fabric = "nvlink4"', 'fabric = "nvlink44"', "scaleup.fabric: there is no fabric 'nvlink44'"),
        ('"66.9 TFLOP/s"', '"669 TFLOP/s"', "flops.fp32: is above the rate of tf32"),
        ('"3.35 TB/s"', '"335 TB/s"', "hbm_bytes_per_s: 335 TB/s is outside"),
        ('"3.35 TB/s"', '"3.35 Tb/s"', "hbm_bytes_per_s: 3.35 Tb/s and 3.4 TB/s are far apart"),
        ('"700 W"', '"700 kW"', "tdp_w: 700 kW is outside"),
        ("[flops]", "[flops", "not valid TOML"),
    ],
)  # fmt: skip
def test_seeded_faults_are_found(overlay, h100_text, old, new, expected):
    assert old in h100_text
    overlay("accelerators", "h100-sxm-80gb", h100_text.replace(old, new, 1))
    assert any(expected in message for message in messages("h100-sxm-80gb")), messages("h100-sxm-80gb")


def test_doubled_alias(overlay, h100_text):
    overlay("accelerators", "twin", h100_text.replace('"h100-sxm-80gb"', '"twin"', 1))
    assert any("already leads to 'h100-sxm-80gb'" in message for message in messages("twin"))


def test_name_of_another_file(overlay, h100_text):
    overlay("accelerators", "misnamed", h100_text)
    assert any("is not the name of the file" in message for message in messages("misnamed"))


def test_price_of_nothing(overlay):
    usd = '{ value = "1 USD/h", source = "assumption", seen = "2026-11", kind = "assumed" }'
    overlay("prices", "gtx-1", f'accelerator = "gtx-1"\n[[prices]]\nkind = "rental"\nusd = {usd}\n')
    assert messages("gtx-1") == ["accelerator: there is no accelerator 'gtx-1'. Use the name of its file."]


def test_spelling_of_nothing(overlay):
    overlay("", "spellings", '[accelerators]\ngtx-1 = ["old card"]\n')
    assert any("there is no entry 'gtx-1'" in message for message in messages("spellings"))
