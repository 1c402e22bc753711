"""Whatever a row of training runs says, it is predicted with an ordered range or refused with a reason."""

import csv
import io
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.measure import training
from drivetrain.measure.table import parse

ROW = {
    "id": "A1", "source_id": "one", "kind": "step", "workload": "pretrain", "model": "llama3-8b", "seq": "8192",
    "gbs_seqs": "64", "mbs": "1", "accel": "H100", "n_accel": "16", "tp": "2", "pp": "1", "vp": "", "cp": "1", "ep": "",
    "dp": "", "fsdp": "", "precision": "bf16", "recompute": "none", "fabric": "IB NDR", "framework": "NeMo",
    "tokens_per_s_per_accel": "9000", "step_time_s": "", "notes": "",
}  # fmt: skip
SIZES = st.sampled_from(["", "1", "2", "3", "8", "64", "1000", "4194304", "-1", "nan", "two"])
CHANGES = st.fixed_dictionaries({}, optional={
    **dict.fromkeys(("seq", "gbs_seqs", "mbs", "n_accel", "tp", "pp", "vp", "cp", "ep", "dp", "fsdp"), SIZES),
    "accel": st.sampled_from(["V100", "A100-40GB", "MI300X", "TPU v5e", "v5p-256", "Gaudi3", "GB200", "nonesuch"]),
    "precision": st.sampled_from(["", "fp8_e4m3", "mxfp8", "nvfp4", "tf32", "bf16-mixed", "int8", "mxfp4"]),
    "framework": st.sampled_from(["", "torchtitan FSDP2", "DeepSpeed ZeRO-1", "MaxText", "HAI-LLM DualPipe"]),
    "fabric": st.sampled_from(["", "EFA", "0G/GPU", "10 GbE", "Slingshot 11", "RoCE 4x100G", "3.2 Tbps per node"]),
    "workload": st.sampled_from(["lora", "QLoRA fine-tuning", "sft"]),
    "kind": st.sampled_from(["time_to_train", "run_total"]),
    "recompute": st.sampled_from(["", "full", "selective", "remat=custom"]),
    "model": st.sampled_from(["mixtral-8x7b", "gpt3-175b", "llama3_405b", "mpt-125m"]),
})  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_every_row_is_predicted_or_refused(changes):
    rows = [ROW | one | {"id": f"A{i}"} for i, one in enumerate(changes)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROW))
    writer.writeheader()
    writer.writerows(rows)
    found = training.outcomes(parse(text.getvalue(), training.REQUIRED, "id", "rows.csv"))
    assert len(found) == len(rows)
    for one in found:
        if one.reason:
            assert set(one.values) == {"id"}
            assert "\n" not in one.reason
            continue
        low, middle, high = (one.values[f"tokens_per_s_per_accel{q}"] for q in ("_p10", "", "_p90"))
        assert 0 < low < middle < high < math.inf
        assert 0 < one.values["step_time_s"] < math.inf
