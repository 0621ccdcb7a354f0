#!/bin/sh
# Builds the benches optimised and prints every figure beside its limit. See tests/bench/run.py.
set -eu
cd "$(dirname "$0")/.."
cmake --preset release >/dev/null
cmake --build --preset release -- -j"${JOBS:-2}" >build/release/build.log 2>&1 || { tail -n 60 build/release/build.log; exit 1; }
exec python3 tests/bench/run.py "$@"
