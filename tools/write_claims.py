"""Write the page of the claims ledger from the ledger itself.

    python tools/write_claims.py            # writes docs/reference/claims.md
    python tools/write_claims.py --check    # exit code 1 when ids or verdicts on the page are not current

The check compares ids and verdicts, not numbers: those may differ in their last digits between machines.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from drivetrain.insight.claims.ledger import Finding, run
from drivetrain.report.claims import markdown

PAGE = Path(__file__).resolve().parent.parent / "docs/reference/claims.md"
HEAD = """# Claims

<!-- Made by tools/write_claims.py. Change claims.toml or a check in drivetrain.insight.claims, then run it. -->

Two essays on AI infrastructure make claims: mechanisms, figures, forecasts, advice. Each is stated in our words,
computed with the models of this package where it can be, and judged by the number. `drivetrain claims A02` shows a
claim with its inputs, their ranges and sources; `--set` replaces an input, and number and verdict follow.

- **holds**: the computed range supports the claim.
- **holds under conditions**: so for some of the inputs' ranges, not for others; the evidence says which.
- **too loose**: something true is said too broadly or left without what it depends on.
- **wrong**: the number contradicts it. **outdated**: it was so, and is no longer.
- **not testable here**: no quantity of ours decides it; the reason says what would.

A range moves each input alone to the ends of its own range and adds the effects in quadrature (of shares and
probabilities, in log odds). Nothing here is investment advice.
"""


def page(found: list[Finding]) -> str:
    """The Markdown text of the page."""
    return f"{HEAD}\n{markdown(found)}"


def verdicts(text: str) -> dict[str, str]:
    """Verdict by id, as the page's overview tables have them."""
    return dict(re.findall(r"^\| \[([AB]\d\d)\]\(#[ab]\d\d\) \|.*\| ([a-z ]+) \|$", text, re.MULTILINE))


def main() -> None:
    """Write the page, or check it."""
    text = page(run())
    if "--check" in sys.argv[1:]:
        current = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        if verdicts(current) != verdicts(text):
            raise SystemExit(f"{PAGE} is not current: run python tools/write_claims.py")
        return
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
