"""Two speeds over one definition: the readable step, the compiled step and its plain Python twin agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.catalogue.market import Engine
from drivetrain.cost import kernel as cost_kernel
from drivetrain.cost.roofline import step_time
from drivetrain.serving import kernel, steady
from drivetrain.serving.deployment import scalars
from strategies import machines, steps, systems

ENGINE = Engine("e", (), "e", "1", "2026", True, 1024, 256, 0.9, 16, (), (), {})


def compiled_arguments(machine, step):
    deployment = machine.deploy(ENGINE)
    c = deployment.coefficients
    seen = np.array([step.contexts(span) for span in c.spans])
    return (
        c.ops, c.collectives, scalars(deployment, 1.0, 1.0),
        step.decode, step.prefill, step.chunks, step.expert_tokens,
        np.ascontiguousarray(seen[:, 0]), np.ascontiguousarray(seen[:, 1]), np.ascontiguousarray(seen[:, 2]),
    )  # fmt: skip


@given(machines(), steps())
def test_compiled_step_equals_readable_step(machine, step):
    readable = step_time(
        machine.piece.ops, step, machine.hardware, machine.piece.layout, machine.efficiency, machine.links
    )
    seconds, joules = cost_kernel.step(*compiled_arguments(machine, step))
    assert seconds == pytest.approx(readable.seconds, rel=1e-9)
    assert joules == pytest.approx(readable.joules, rel=1e-9)


@given(machines(), steps())
def test_compiled_step_equals_its_python_twin(machine, step):
    arguments = compiled_arguments(machine, step)
    assert cost_kernel.step(*arguments) == pytest.approx(cost_kernel.step.py_func(*arguments), rel=1e-12)


def solve_arguments(prepared, rate, others):
    c, n = prepared.deployment.coefficients, prepared.lengths
    return (
        c.ops, c.collectives, prepared.scalars, prepared.contexts.spans, n.weight, n.isl, n.osl, n.computed,
        prepared.contexts.decode, prepared.contexts.prefill, rate, n.arrival_cv2, others, np.ones((4, 5), dtype=bool),
    )  # fmt: skip


@settings(max_examples=50)
@given(machines(), steps(), st.lists(st.tuples(*[st.floats(1.0, 8192.0)] * 3), min_size=1, max_size=20))
def test_steps_of_classes_are_steps(machine, step, classes):
    """Classes of prompts beside the same decodes, evaluated together and one by one."""
    ops, collectives, numbers, decode, _, _, tokens, of_decode, _, of_chunk = compiled_arguments(machine, step)
    prefill, context, chunk = (np.array(x) for x in zip(*classes, strict=True))
    chunks = np.maximum(prefill / 512.0, 1.0)
    shape = (len(of_decode), 1)
    contexts = np.tile(context, shape), of_chunk[:, None] + np.tile(chunk, shape)
    for run in (cost_kernel.step_by_class, cost_kernel.step_by_class.py_func):
        together = np.empty(len(classes))
        run(ops, collectives, numbers, decode, prefill, chunks, tokens + prefill, of_decode, *contexts, together)
        alone = [
            cost_kernel.step(ops, collectives, numbers, decode, prefill[j], chunks[j], tokens + prefill[j], of_decode,
                             contexts[0][:, j].copy(), contexts[1][:, j].copy())[0]
            for j in range(len(classes))
        ]  # fmt: skip
        np.testing.assert_allclose(together, alone, rtol=1e-12)


@settings(max_examples=25)
@given(systems())
def test_compiled_steady_state_equals_its_python_twin(prepared):
    top = steady.max_rate(prepared)
    for rate, others in ((0.3 * top, 1.0), (0.9 * top, 1.0), (0.5 * top, 0.75), (3.0 * top, 1.0)):
        fast, plain = np.empty(kernel.N_OUT), np.empty(kernel.N_OUT)
        kernel.solve(*solve_arguments(prepared, rate, others), fast)
        kernel.solve.py_func(*solve_arguments(prepared, rate, others), plain)
        np.testing.assert_allclose(fast, plain, rtol=1e-9)


@given(systems())
def test_readable_steps_are_those_the_solver_used(prepared):
    top = steady.max_rate(prepared)
    for rate in (0.1 * top, 0.6 * top, 0.97 * top):
        decode, mixed = steady.steps(prepared, steady.at_rate(prepared, rate))
        out = np.empty(kernel.N_OUT)
        kernel.solve(*solve_arguments(prepared, rate, 1.0), out)
        assert decode.seconds == pytest.approx(out[kernel.T_DECODE], rel=1e-5)
        assert mixed.seconds == pytest.approx(out[kernel.T_MIXED], rel=1e-5)
