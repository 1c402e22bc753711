"""Hold the closed form of serving against the simulator: tables by regime.

    python tools/closed_form_study.py                        # 200 configurations, open stream and closed loop (minutes)
    python tools/closed_form_study.py --configurations 30    # fewer
    python tools/closed_form_study.py --explain-loops        # what closed loops differ by, cause by cause (minutes)

What it found is on docs/method/closed-form-against-simulator.md. Deterministic in ``--seed``. Parts: ``closed_form``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from closed_form import ablate, table
from closed_form.draw import configurations


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=160_000, help="requests of a simulation at most")
    parser.add_argument("--explain-loops", action="store_true", help="take causes out of the loops one after another")
    args = parser.parse_args(argv)
    if args.explain_loops:
        return _explain_loops(args.configurations, args.seed)
    streams, loops = [], []
    for one in configurations(args.configurations, args.seed):
        streams.append(table.stream(one, args.most))
        loops.append(table.loop(one))
        print(streams[-1].line, loops[-1].line, sep="\n", file=sys.stderr, flush=True)
    found = {"open": table.open_table(streams), "closed": table.closed_table(loops)}
    print(*found.values(), sep="\n\n")
    return 0


def _explain_loops(n: int, seed: int) -> int:
    found = []
    for one in configurations(n, seed):
        found.append(ablate.explain(one, table.loop_size(one)))
        print(found[-1].line, file=sys.stderr, flush=True)
    print(ablate.explained_table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
