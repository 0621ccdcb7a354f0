#!/bin/sh
# Every check and every test, in the order in which they fail fastest. Prints what it skips, and why.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-2}
export OXP_CORPORA="${OXP_CORPORA:-$(pwd)/../shared/corpora}"
began=$(date +%s)

step() { printf '\n=== %s (%ss)\n' "$1" "$(($(date +%s) - began))"; }

step "test data of others"
python3 tests/support/corpora.py

step "lint"
scripts/lint.sh

# LOG: the tests that were skipped, by name: ctest shows nothing of a program that passed
skipped() {
    awk '/^[0-9]+\/[0-9]+ Test: / { program = $3 } /^\[  SKIPPED \] [A-Za-z_]/ && !told[program, $4]++ { print "SKIPPED " program ": " $4 }' "$1"
}

build_and_test() {
    step "unit tests: $1"
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1" -- -j"$jobs" >"build/$1/build.log" 2>&1 || { tail -n 60 "build/$1/build.log"; exit 1; }
    ctest --preset "$1" -j"$jobs" --no-tests=error
    skipped "build/$1/Testing/Temporary/LastTest.log"
}
build_and_test dev
build_and_test asan
build_and_test tsan

step "release build and install"
cmake --preset release >/dev/null
# what is installed, and what the integration tests drive: unit tests optimised at link time would take minutes more
cmake --build --preset release --target oxpecker liboxpecker oxpecker-example-orchestrator client_driver checkpoint_writer trace_export \
    promql_engine outbox_driver aws_driver alerting_driver cloudwatch_driver cloudwatch_publisher -- -j"$jobs" >build/release/build.log 2>&1 || { tail -n 60 build/release/build.log; exit 1; }
rm -rf build/staging
DESTDIR="$(pwd)/build/staging" cmake --install build/release --prefix /usr >/dev/null
test -x build/staging/usr/bin/oxpecker

step "integration"
python3 tests/integration/run.py

# The whole daemon under the sanitizers, on the same tests but for those that take a minute.
for preset in asan tsan; do
    step "integration: $preset"
    OXPECKER="$(pwd)/build/$preset/oxpecker" OXP_TEST_WORKFLOWS=100000 \
        python3 tests/integration/run.py test_lifecycle test_http test_bad_input.Lines test_traces.Traces test_watching test_watching_log test_watching_provider
done

step "all green"
