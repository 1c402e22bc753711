#!/usr/bin/env bash
# A wheel built from this tree installs into an empty environment and answers there, away from the sources.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$top/.venv/bin/python" -m build --wheel --outdir "$work/dist" "$top" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "$work"/dist/*.whl
cd "$work"
"$work/venv/bin/drivetrain" plan serve --model llama-3.1-8b --isl 1024 --osl 256 --rate 10 --slo "tpot_p95=40ms" --format json >plan.json
"$work/venv/bin/python" -c 'import json; p = json.load(open("plan.json")); assert p["feasible"], p["verdict"]; print("wheel:", p["verdict"])'
