r"""How large a run a budget buys, and on how many accelerators.

*How much is trained is fixed* by FLOPs (``C = 6 N D``), tokens, both, a target loss or a model alone (its
compute-optimal tokens): the cheapest number of accelerators is the smallest that ends in time, since more of them wait
more.

*How much is trained is free* and money, days, power or accelerators limit it: with ``n`` accelerators for ``T``
seconds, ``D = T x tokens/s x effective time``, and where the size is free N follows the scaling law at ``C = 6 N D``.
Speed depends on N, so both are found in turn (speed moves little with N: a few rounds).

``n`` is chosen from whole servers times 2^a or 3 x 2^a, which layouts divide; where power bounds it, 5 and 7 x 2^a too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from drivetrain.catalogue.model import Model
from drivetrain.errors import BadInputError, DoesNotFitError, InfeasibleError
from drivetrain.training.layout import parse_layout
from drivetrain.training.scaling.law import FLOPS_PER_PARAM_TOKEN
from drivetrain.training_scenario import MOST_ACCELERATORS
from drivetrain.units import SECONDS_PER_DAY, SECONDS_PER_HOUR, number, show
from drivetrain.verbs.train_resolve import Asked, Part, active_params
from drivetrain.verbs.train_run import Run, run_of, run_on
from drivetrain.verbs.train_size import Size, split

DEFAULT_DAYS = 90.0
_LONGEST_S = 100.0 * 365.0 * SECONDS_PER_DAY  # nobody waits longer, whatever is asked
_ROUNDS = 6
_CLOSE = 0.01
FINE = (1, 3, 5, 7)  # odd factors of a cluster that power alone bounds: at most a seventh of it is left unused
_BARE_W = 1e3  # no server draws less: the unit was forgotten
_BEST_MFU, _USUAL_MFU = 0.6, 0.4


def solve(asked: Asked, part: Part, fixed: Size | None, tell: Callable[[Run], object] = lambda _: None) -> Run:
    """The run that answers the question on ``part``; raises :class:`InfeasibleError` with what would change it."""
    run = _fixed(asked, part, fixed, tell) if fixed else _free(asked, part, tell)
    missed = violations(asked, run)
    if missed:
        raise InfeasibleError(f"{run.n:,}x {part.name}: {'; '.join(missed)}")
    return run


def violations(asked: Asked, run: Run) -> list[str]:
    """Limits that a run breaks, each with what would do."""
    s, found = asked.scenario, []
    if s.days is not None and run.seconds > s.days * SECONDS_PER_DAY * (1 + 1e-9):
        more = math.ceil(run.n * run.seconds / SECONDS_PER_DAY / s.days)
        found.append(f"it takes {number(run.seconds / SECONDS_PER_DAY)} days of {number(s.days)}; give --days "
                     f"{math.ceil(run.seconds / SECONDS_PER_DAY)} or about {more:,} accelerators")  # fmt: skip
    elif run.seconds > _LONGEST_S:
        years = run.seconds / SECONDS_PER_DAY / 365.0
        found.append(f"it takes {number(years)} years; use more accelerators, or train less")
    if s.budget_usd is not None and (run.usd or 0.0) > s.budget_usd * (1 + 1e-9):
        longer = "" if s.n is not None else ", or more --days (fewer accelerators wait less)"
        found.append(
            f"it costs {show_usd(run.usd or 0.0)} of {show_usd(s.budget_usd)}; raise --budget{longer}, or train less"
        )
    if s.power_w is not None and run.provisioned_w > s.power_w * (1 + 1e-9):
        found.append(
            f"it needs {show(run.provisioned_w, 'W')} of {show(s.power_w, 'W')} nameplate; raise --power or use fewer"
        )
    return found


def ladder(unit: int, least: float, most: float, odd: tuple[int, ...] = (1, 3)) -> list[int]:
    """Numbers of accelerators from ``least`` to ``most``: servers of ``unit`` times 2^a and 3 x 2^a.

    >>> ladder(8, 30, 100), ladder(8, 30, 100, FINE)
    ([32, 48, 64, 96], [32, 40, 48, 56, 64, 80, 96])
    """
    steps = sorted(unit * f * 2**a for f in odd for a in range(21))
    return [n for n in steps if least <= n <= min(most, MOST_ACCELERATORS)]


def show_days(seconds: float) -> str:
    """A run's length: days, or less where it is shorter than two.

    >>> show_days(864000.0), show_days(117.5)
    ('10 days', '118 s')
    """
    return f"{number(seconds / SECONDS_PER_DAY)} days" if seconds >= 2 * SECONDS_PER_DAY else show(seconds, "s")


def show_usd(usd: float) -> str:
    """Dollars for people.

    >>> show_usd(1234567.0), show_usd(950.0)
    ('$1.23M', '$950')
    """
    for factor, suffix in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if usd >= factor:
            return f"${number(usd / factor)}{suffix}"
    return f"${number(usd)}"


def _fixed(asked: Asked, part: Part, size: Size, tell: Callable[[Run], object]) -> Run:
    """The smallest cluster that ends in time; the largest that the power feeds where no time is given."""
    s = asked.scenario

    def at(n: int) -> Run:
        run = run_of(asked, part, size.model, size.tokens, n)
        tell(run)
        return run

    if s.n is not None:
        chosen = run_on(asked, part, size.model, size.tokens, int(s.n))
        tell(chosen)
        return chosen
    if whole := _whole(asked):
        return at(whole)
    most = _most(asked, part)
    if s.days is None and s.power_w is not None:
        return _largest(at, ladder(part.unit, 1, most, FINE), asked, part)
    limit = (s.days or DEFAULT_DAYS) * SECONDS_PER_DAY
    flops = FLOPS_PER_PARAM_TOKEN * active_params(size.model) * size.tokens
    least = flops / (_BEST_MFU * _peak(asked, part) * limit)
    steps = ladder(part.unit, min(least, most), most)
    reason = ""
    while steps:
        try:
            run = at(steps[0])
        except (DoesNotFitError, InfeasibleError) as error:
            reason = str(error.args[0])
            steps = steps[1:]
            continue
        if run.seconds <= limit:
            return run
        reason = f"{run.n:,}x {part.name} take {number(run.seconds / SECONDS_PER_DAY)} days"
        steps = [n for n in steps[1:] if n >= 0.9 * run.n * run.seconds / limit]
    raise InfeasibleError(_too_few(asked, part, limit, reason))


def _free(asked: Asked, part: Part, tell: Callable[[Run], object]) -> Run:
    """All that money, days, power and accelerators buy."""
    n, seconds = _limits(asked, part)

    def at(model: Model, tokens: float) -> Run:
        run = run_of(asked, part, model, tokens, n)
        tell(run)
        return run

    def bought(run: Run) -> float:
        return seconds * run.step.tokens_per_s * run.uptime.effective_time_frac

    if asked.model is not None:
        tokens = _USUAL_MFU * _peak(asked, part) * n * seconds / (FLOPS_PER_PARAM_TOKEN * active_params(asked.model))
        for _ in range(2):  # the usual batch depends on the tokens
            run = at(asked.model, tokens)
            tokens = bought(run)
        return _enough(replace(run, tokens=tokens))
    flops = _USUAL_MFU * _peak(asked, part) * n * seconds
    for _ in range(_ROUNDS):
        size = _small(asked, flops)
        run = at(size.model, size.tokens)
        found = FLOPS_PER_PARAM_TOKEN * run.active * bought(run)
        if abs(math.log(found / flops)) < _CLOSE:
            break
        flops = found
    return _enough(replace(run, tokens=bought(run)))


def _limits(asked: Asked, part: Part) -> tuple[int, float]:
    """Accelerators and seconds of a run that spends everything."""
    s = asked.scenario
    hourly = part.price.usd_per_hour if part.price else None
    if s.budget_usd is not None and hourly is None:
        raise InfeasibleError(
            f"the catalogue has no price of {part.name}, so a budget in dollars buys none. Give --price."
        )
    days = s.days if s.days is not None else None if s.budget_usd is not None and s.n is not None else DEFAULT_DAYS
    most = _most(asked, part)
    n = int(s.n) if s.n is not None else _whole(asked)
    if not n:
        if s.budget_usd is None and s.power_w is None:
            raise BadInputError("days alone say nothing of size: give --n, --power, --budget or --flops too.")
        if s.budget_usd is not None and hourly is not None:
            hours = (days or DEFAULT_DAYS) * 24.0
            wanted = s.budget_usd / (hourly * hours)
            steps = ladder(part.unit, wanted, most) or ladder(part.unit, 1, most)[-1:]
        else:
            steps = ladder(part.unit, 1, most, FINE)[-1:]
        if not steps:
            raise InfeasibleError(_no_server(asked, part))
        n = steps[0]
    seconds = math.inf if days is None else days * SECONDS_PER_DAY
    if s.budget_usd is not None and hourly is not None:
        paid = n + (asked.reliability.spares or 0)
        seconds = min(seconds, s.budget_usd / (hourly * paid) * SECONDS_PER_HOUR)
    return n, seconds


def _whole(asked: Asked) -> int:
    """Accelerators of the layout that was asked for, 0 where it leaves data parallelism open."""
    text = asked.scenario.layout
    return parse_layout(text).n_accelerators if "dp" in text.lower() else 0


def _most(asked: Asked, part: Part) -> float:
    watts = asked.scenario.power_w
    spares = asked.reliability.spares or 0
    return MOST_ACCELERATORS if watts is None else watts / part.nameplate_w - spares


def _peak(asked: Asked, part: Part) -> float:
    """Dense FLOP/s of one accelerator in the precision asked for."""
    return part.hardware.flops[part.hardware.compute_dtype(asked.scenario.precision)]


def _largest(at: Callable[[int], Run], steps: list[int], asked: Asked, part: Part) -> Run:
    """The most accelerators on which something divides and fits."""
    reason = _no_server(asked, part)
    for n in reversed(steps[-4:]):
        try:
            return at(n)
        except (DoesNotFitError, InfeasibleError) as error:
            reason = str(error.args[0])
    raise InfeasibleError(reason)


def _small(asked: Asked, flops: float) -> Size:
    try:
        return split(asked, flops)
    except BadInputError as error:
        raise InfeasibleError(str(error.args[0])) from None


def _enough(run: Run) -> Run:
    per_step = run.job.global_batch * run.needs.seq
    if run.tokens < per_step:
        raise InfeasibleError(
            f"the budget ends before the first step: {run.tokens:.3g} tokens of {per_step:.3g}. "
            "Raise it, use fewer accelerators, or a smaller --global-batch."
        )
    return run


def _no_server(asked: Asked, part: Part) -> str:
    watts = asked.scenario.power_w or 0.0
    needs = part.unit * part.nameplate_w
    bare = " (a bare number is in watts: '10 MW')" if watts < _BARE_W else ""
    return (
        f"{show(watts, 'W')} does not feed one server of {part.unit}x {part.name}, {show(needs, 'W')}. "
        f"Raise --power{bare}."
    )


def _too_few(asked: Asked, part: Part, limit: float, reason: str) -> str:
    days = f"{number(limit / SECONDS_PER_DAY)} days"
    if asked.scenario.power_w is not None:
        watts = show(asked.scenario.power_w, "W")
        return f"what {watts} feed of {part.name} does not end within {days} ({reason}). Raise --power or --days."
    return f"no number of {part.name} ends within {days} ({reason}). Raise --days or the --global-batch."
