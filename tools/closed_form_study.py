"""Hold the closed form of serving against the simulator: tables by regime.

    python tools/closed_form_study.py                        # 200 configurations, open stream and closed loop (minutes)
    python tools/closed_form_study.py --configurations 30    # fewer

What it found is on docs/method/closed-form-against-simulator.md. Deterministic in ``--seed``. Parts: ``closed_form``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from closed_form import table
from closed_form.draw import configurations


def main(argv: Sequence[str] | None = None) -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=160_000, help="requests of a simulation at most")
    args = parser.parse_args(argv)
    streams, loops = [], []
    for one in configurations(args.configurations, args.seed):
        streams.append(table.stream(one, args.most))
        loops.append(table.loop(one))
        print(streams[-1].line, loops[-1].line, sep="\n", file=sys.stderr, flush=True)
    found = {"open": table.open_table(streams), "closed": table.closed_table(loops)}
    print(*found.values(), sep="\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
