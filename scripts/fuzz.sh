#!/bin/sh
# Runs every fuzz target for FUZZ_SECONDS (60) or FUZZ_RUNS executions, from its corpus in the tree. Finds go to build/fuzz/finds.
set -eu
cd "$(dirname "$0")/.."
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -- -j"${JOBS:-2}" >build/fuzz/build.log 2>&1 || { tail -n 60 build/fuzz/build.log; exit 1; }
limit="-max_total_time=${FUZZ_SECONDS:-60}"
[ -z "${FUZZ_RUNS:-}" ] || limit="-runs=$FUZZ_RUNS"
mkdir -p build/fuzz/finds
for target in build/fuzz/tests/fuzz_*; do
    if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
    name=$(basename "$target")
    mkdir -p "build/fuzz/work/$name"
    echo "== $name"
    "$target" "$limit" -max_len=16384 -timeout=10 -artifact_prefix=build/fuzz/finds/"$name"- -print_final_stats=1 \
        "build/fuzz/work/$name" "tests/fuzz/corpus/${name#fuzz_}" 2>"build/fuzz/$name.log" ||
        { tail -n 40 "build/fuzz/$name.log"; exit 1; }
    sed -n 's/^stat::number_of_executed_units: */   executions: /p' "build/fuzz/$name.log"
done
