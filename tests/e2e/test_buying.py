"""Buying as people ask for it on the command line: a room, quotas, servers, clouds."""

import csv
import io
import json
import shlex

import pytest

from drivetrain.cli import main as cli

QUESTION = [
    "plan", "serve", "--model", "llama-3.1-70b", "--workload", "azure-2023-conv", "--slo", "ttft_p95=2s,tpot_p95=50ms",
]  # fmt: skip


def run(capsys, monkeypatch, *args):
    monkeypatch.setattr("sys.argv", ["drivetrain", *QUESTION, *args])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    return stop.value.code or 0, out, err


def cli_code(capsys, monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["drivetrain", *words])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    capsys.readouterr()
    return stop.value.code or 0


def answer(capsys, monkeypatch, *args):
    code, out, _ = run(capsys, monkeypatch, *args, "--format", "json")
    return code, json.loads(out)


def adds_up(plan):
    serving = plan["replicas"] * plan["accelerators_per_replica"]
    return plan["n_accelerators"] == serving + plan["idle_accelerators"] + plan["spare_accelerators"]


def test_a_200_kw_room(capsys, monkeypatch):
    code, found = answer(capsys, monkeypatch, "-r", "60", "--max-power", "200kW", "--buy", "servers")
    assert code == 0
    for row in found["by_accelerator"]:
        assert row["provisioned_power_w"] <= 200e3
        assert adds_up(row)
    _, out, err = run(capsys, monkeypatch, "-r", "60", "--max-power", "200kW", "--buy", "servers")
    assert "of IT power (no PUE) provisioned of 200 kW" in out
    assert "mean at the wall with PUE" in out
    assert "no PUE" in err
    assert max(len(line) for line in out.splitlines()) <= 100


def test_a_room_too_small_names_the_power_and_the_peak(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "-r", "60", "--max-power", "20kW", "--buy", "servers", "-a", "h100-sxm")
    assert code == 1
    assert "--max-power 20 kW holds" in out
    assert "the peak of" in out
    assert "Raise --max-power" in out
    code, found = answer(capsys, monkeypatch, "-r", "60", "--max-power", "20kW", "--buy", "servers", "-a", "h100-sxm")
    assert "--weights any" not in out
    relaxed = shlex.split(" ".join(out.split()).partition("next: drivetrain plan serve ")[2])
    assert cli_code(capsys, monkeypatch, "plan", "serve", *relaxed) == 0, "what it says to run is feasible"
    (violation,) = found["closest_miss"]["violates"]
    assert code == 1
    assert violation["limit"] == "max_power_w"
    assert violation["limit_value"] == 20e3
    assert violation["needed"] == found["closest_miss"]["provisioned_power_w"]


def test_quotas(capsys, monkeypatch):
    code, found = answer(capsys, monkeypatch, "-r", "60", "--max", "h100-sxm=64", "--max", "mi355x=8", "--max", "128")
    assert code == 0
    most = {"h100-sxm-80gb": 64, "mi355x": 8}
    for row in found["by_accelerator"]:
        assert row["n_accelerators"] <= most.get(row["accelerator"], 128)
    code, found = answer(capsys, monkeypatch, "-r", "60", "-a", "h100-sxm", "--max", "h100-sxm=1")
    assert code == 1
    assert "below the smallest plan" in found["verdict"]
    assert f"{found['closest_miss']['n_accelerators']}x h100-sxm-80gb" in found["verdict"]


def test_cloud_instances_on_demand(capsys, monkeypatch):
    code, found = answer(capsys, monkeypatch, "-r", "5", "--buy", "instances", "--pricing", "on-demand")
    best = found["best"]
    assert code == 0
    assert f"{best['n_instances']}x {best['instance']} ({best['n_accelerators']}" in found["verdict"]
    assert "on demand" in best["price_basis"]
    assert best["server"] is None
    costs = [row["usd_per_hour"] for row in found["by_instance"]]
    assert costs == sorted(costs)
    assert len({row["instance"] for row in found["by_instance"]}) == len(costs) > 10
    assert {row["instance"] for row in found["unpriced"]}.isdisjoint(row["instance"] for row in found["by_instance"])
    assert all(adds_up(row) for row in found["by_instance"])


def test_spot_is_cheaper_than_on_demand(capsys, monkeypatch):
    args = ["-r", "5", "--buy", "instances", "-a", "h100-sxm,l40s", "--provider", "aws,google,azure"]
    spot, demand = (answer(capsys, monkeypatch, *args, "--pricing", terms)[1]["best"]
                    for terms in ("spot", "on-demand"))  # fmt: skip
    assert spot["usd_per_hour"] < demand["usd_per_hour"]
    assert "spot" in spot["price_basis"]


def test_whole_racks(capsys, monkeypatch):
    args = ["-r", "60", "--buy", "servers", "-a", "gb200-nvl72"]
    code, found = answer(capsys, monkeypatch, *args)
    best = found["best"]
    assert code == 0
    assert (best["server"], best["n_accelerators"] % 72) == ("gb200-nvl72", 0)
    assert adds_up(best)
    _, spared = answer(capsys, monkeypatch, *args, "--spares", "n+1")
    assert spared["best"]["n_servers"] == best["n_servers"] + 1
    assert spared["best"]["spare_accelerators"] == 72
    assert spared["best"]["output_tokens_per_s"] == pytest.approx(best["output_tokens_per_s"])
    assert spared["best"]["usd_per_hour"] > best["usd_per_hour"]
    assert spared["best"]["power_w"] > best["power_w"]


def test_loose_accelerators_are_also_told_in_whole_servers(capsys, monkeypatch):
    _, found = answer(capsys, monkeypatch, "-r", "5", "-a", "h200-sxm")
    whole, best = found["whole_servers"], found["best"]
    assert whole["n_accelerators"] % 8 == 0
    assert whole["n_accelerators"] >= best["n_accelerators"]
    assert whole["usd_per_hour"] >= best["usd_per_hour"]
    _, out, _ = run(capsys, monkeypatch, "-r", "5", "-a", "h200-sxm")
    assert ("In whole servers" in out) == (whole["idle_accelerators"] > 0)


def test_a_budget_in_any_period(capsys, monkeypatch):
    plans = [answer(capsys, monkeypatch, "-r", "5", "-a", "h100-sxm,h200-sxm", "--budget", money)[1]["best"]
             for money in ("$12/h", "$8.76k/month", "$105.12k/year")]  # fmt: skip
    assert plans[0] == plans[1] == plans[2]
    assert plans[0]["usd_per_hour"] <= 12
    code, out, _ = run(capsys, monkeypatch, "-r", "5", "--budget", "$1/h")
    assert code == 1
    assert "--budget $1/h" in out


def test_a_mixed_fleet_and_regions_are_printed(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "-r", "20", "--mix", "--region", "us,sweden", "-a", "h100-sxm,l40s")
    assert code == 0
    assert "mixed " in out
    assert "the plan by region" in out
    _, found = answer(capsys, monkeypatch, "-r", "20", "--region", "us,sweden", "-o", "carbon")
    rows = {row["region"]: row for row in found["by_region"]}
    grams = "carbon_g_per_million_output_tokens"
    assert rows["us"][grams] == found["best"][grams] > rows["sweden"][grams]


def test_csv_has_a_row_per_instance(capsys, monkeypatch):
    _, out, _ = run(capsys, monkeypatch, "-r", "5", "--buy", "instances", "-a", "h100-sxm", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len({row["instance"] for row in rows}) == len(rows) > 3


BAD = {
    "buy in the singular": (["--buy", "server"], "servers"),
    "spares that are none": (["--spares", "some"], "n+1"),
    "negative spares": (["--spares=-1"], "n+1"),
    "quota without a number": (["--max", "h100-sxm"], "NAME=N"),
    "quota that is no whole number": (["--max", "h100-sxm=1.5"], "NAME=N"),
    "quota of the unknown": (["--max", "h100sxm=4"], "h100-sxm"),
    "quota of instances without renting": (["--max", "p5.48xlarge=4"], "--buy instances"),
    "power without a unit it knows": (["--max-power", "200kg"], "200kW"),
    "power of nothing": (["--max-power", "0"], "positive"),
    "money without a period": (["--budget", "$500"], "$500/h"),
    "money that is none": (["--budget", "lots/h"], "$500/h"),
    "racks without power": (["--max-racks", "4"], "--rack-power"),
    "racks of loose accelerators": (["--max-racks", "4", "--rack-power", "40kW"], "--buy servers"),
    "cloud without instances": (["--provider", "aws"], "--buy instances"),
    "unknown cloud": (["--buy", "instances", "--provider", "asw"], "aws"),
    "spot without instances": (["--pricing", "spot"], "--buy instances"),
    "owned instances": (["--buy", "instances", "--pricing", "own"], "rented"),
    "mixed latency": (["--mix", "-o", "latency"], "--objective"),
    "unknown region among several": (["--region", "us,swedn"], "sweden"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_and_exit_2(capsys, monkeypatch, name):
    args, hint = BAD[name]
    code, out, err = run(capsys, monkeypatch, "-r", "5", *args)
    assert code == 2, err
    assert len([line for line in err.splitlines() if line.strip()]) == 1, err
    assert hint in err
    assert out == ""
