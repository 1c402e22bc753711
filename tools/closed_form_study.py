"""Hold the closed form of serving against the simulator and write the tables of its page.

    python tools/closed_form_study.py                        # 200 configurations, open stream and closed loop (minutes)
    python tools/closed_form_study.py --configurations 30    # fewer
    python tools/closed_form_study.py --write                # also puts the tables on the page

The page is docs/method/closed-form-against-simulator.md. Deterministic in ``--seed``. Parts: ``closed_form``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from closed_form import table
from closed_form.draw import configurations

PAGE = Path(__file__).resolve().parent.parent / "docs/method/closed-form-against-simulator.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configurations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=160_000, help="requests of a simulation at most")
    parser.add_argument("--write", action="store_true", help="put the tables on the page")
    args = parser.parse_args(argv)
    streams, loops = [], []
    for one in configurations(args.configurations, args.seed):
        streams.append(table.stream(one, args.most))
        loops.append(table.loop(one))
        print(streams[-1].line, loops[-1].line, sep="\n", file=sys.stderr, flush=True)
    found = {"open": table.open_table(streams), "closed": table.closed_table(loops)}
    print(*found.values(), sep="\n\n")
    if args.write:
        text = PAGE.read_text(encoding="utf-8")
        for name, lines in found.items():
            text = table.put(text, name, lines)
        PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
