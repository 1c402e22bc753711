"""Rows of measured collectives are read as what ran."""

import pytest

from drivetrain.measure import collectives, table

COLUMNS = "row_id,op,accelerator,impl,n_gpus,bytes,seconds"


def message(impl):
    row = f"r1,all_reduce,h100_sxm,{impl},4,1048576,2e-05"
    read = table.parse(f"{COLUMNS}\n{row}\n", collectives.REQUIRED, "row_id", "test")
    return collectives.read_message(read.rows[0])


@pytest.mark.parametrize(
    ("impl", "library"),
    [
        ("nccl-tests", "nccl"),
        ("vllm custom_allreduce vLLM_custom_graph", "vllm"),
        ("sglang custom_allreduce SGLang_CustomAllReduce_graph", "sglang"),
        ("trtllm custom_allreduce TRTLLM", "trtllm"),
        ("sglang custom_allreduce TRTLLM", "trtllm"),
    ],
)
def test_the_library_is_that_of_the_kernel(impl, library):
    assert message(impl).library == library
