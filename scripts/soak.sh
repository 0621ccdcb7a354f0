#!/bin/sh
# The long runs of what `make test` has in short: kill -9 at each named point of the outbox SOAK_KILLS (500) times, every allocation of the
# outbox failing, and SOAK_ROUNDS (10) rounds of outages, random failures and restarts. Stops at the first that fails.
set -eu
cd "$(dirname "$0")/.."
kills=${SOAK_KILLS:-500} rounds=${SOAK_ROUNDS:-10}
cmake --preset release >/dev/null
cmake --build --preset release --target oxpecker outbox_driver alerting_driver unit_alerts_outbox_faults unit_alerts_delivery_hour \
    unit_alerts_delivery_outbox -- -j"${JOBS:-2}" >build/release/build.log 2>&1 || { tail -n 60 build/release/build.log; exit 1; }

echo "== kill -9 at each point of the outbox, $kills times each"
OXPECKER_TEST_OUTBOX_KILLS=$kills python3 tests/integration/run.py test_outbox.Kill
echo "== every allocation of the outbox"
OXP_TEST_EVERY=1 build/release/tests/unit/alerts/outbox/unit_alerts_outbox_faults
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "== round $round of $rounds: an outage of an hour, receivers that fail at random, the daemon killed and started"
    build/release/tests/unit/alerts/delivery/unit_alerts_delivery_hour
    build/release/tests/unit/alerts/delivery/unit_alerts_delivery_outbox
    python3 tests/integration/run.py test_delivery.Receivers test_alerting.Restarts
done
echo "== soak: all well"
