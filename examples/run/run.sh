#!/bin/bash
# What `make run` starts: the sidecar, an orchestrator with what it works on, and Prometheus when it is installed. Prints where to look
# and what is happening. Ctrl-C stops everything, in order.
#
#   examples/run/run.sh            the orchestrator in C (examples/orchestrator) and the local provider, which fails now and then
#   examples/run/run.sh shell      the orchestrator in a shell script (examples/shell) and a small web site
#
# PORT (10108) is the sidecar's, PROMETHEUS_PORT (9090) Prometheus', HEALTH_PORT (8000) the orchestrator's; a port that is taken is
# replaced by a free one. OXPECKER and ORCHESTRATOR name other binaries; RUN_SECONDS ends the run by itself.
set -u
cd "$(dirname "$0")/../.." || exit 1

pair=${1:-orchestrator}
oxpecker=${OXPECKER:-$(pwd)/build/release/oxpecker}
program=${ORCHESTRATOR:-$(dirname "$oxpecker")/oxpecker-example-orchestrator}
needed=("$oxpecker")
[ "$pair" = shell ] || needed+=("$program")
for file in "${needed[@]}"; do
    [ -x "$file" ] || { echo "run: there is no $file; try make build" >&2; exit 1; }
done
for tool in curl python3 flock awk od; do
    command -v $tool >/dev/null || { echo "run: $tool is missing; try make deps" >&2; exit 1; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/oxpecker-run.XXXXXX")
mkdir "$work/storage"

free_port() { # PREFERRED
    python3 - "$1" <<'PYTHON'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(s.getsockname()[1])
        break
PYTHON
}

port=$(free_port "${PORT:-10108}")
export OXPECKER_EVENTS_LISTEN_UNIX=$work/events.sock
sidecar='' peer='' orchestrator='' prometheus='' trouble='' notes='' probe=()

end() { # PID: asks it to stop and waits for it
    [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
}

stop() {
    trap '' INT TERM
    echo
    echo "stopping: the orchestrator ends its sessions first ..."
    end "$trouble"
    end "$orchestrator"
    end "$peer"
    end "$prometheus"
    [ -z "$sidecar" ] || { kill -INT "$sidecar" 2>/dev/null; wait "$sidecar"; status=$?; }
    [ "${status:-0}" -eq 0 ] && echo "stopped." || echo "the sidecar ended with status $status; its log: $work/oxpecker.log"
    [ "${status:-0}" -ne 0 ] || rm -rf "$work"
    exit "${status:-0}"
}
trap stop INT TERM

await() { # FILE: until it has something
    for _ in $(seq 300); do [ -s "$1" ] && return; sleep 0.1; done
    echo "run: nothing in $1; the logs: $work" >&2
}

# ---- the orchestrator in a shell script, and the site that it fetches from ----

start_shell() {
    python3 examples/shell/pages.py 0 >"$work/peer.url" &
    peer=$!
    await "$work/peer.url"
    # the second address is a reserved port: nothing listens there
    OXPECKER=$oxpecker examples/shell/orchestrator.sh "http://127.0.0.1:$(cat "$work/peer.url")" http://127.0.0.1:1 \
        2>"$work/orchestrator.log" &
    orchestrator=$!
}

# ---- the orchestrator in C, and the provider that its sessions are at ----

# Now and then, each by itself; and every half minute something that lasts long enough for a breaker.
# shellcheck disable=SC2054 # the commas belong to the words
faults=(
    where=create,kind=503,probability=0.05 where=create,kind=lose,probability=0.03
    where=navigate,kind=site_blocked,probability=0.02 where=navigate,kind=drop,probability=0.03
    where=act,kind=unsuccessful,probability=0.06 where=act,kind=element,probability=0.04 where=act,kind=cdp_closed,probability=0.02
    where=extract,kind=llm_429,probability=0.03 where=extract,kind=llm_bad_output,probability=0.03
    where=agent,kind=session_timed_out,probability=0.03 where=release,kind=500,probability=0.05
)
troubles=(
    '{"where": "extract", "kind": "llm_overloaded", "count": 12}' '{"where": "create", "kind": "429_concurrency", "count": 2}'
    '{"where": "create", "kind": "502", "count": 4}' '{"where": "act", "kind": "captcha", "count": 1}'
)

make_trouble() { # URL
    local i=0
    while sleep 15; do
        curl -s -m 5 -o /dev/null -X POST "$1/control/faults" -d "${troubles[$((i++ % ${#troubles[@]}))]}"
        sleep 15
    done
}

start_orchestrator() {
    local flags=() url
    for fault in "${faults[@]}"; do flags+=(--fault "$fault"); done
    python3 examples/provider/provider.py --plan startup --create-rate 200 --latency 0.1-0.8 --cache 0.2 "${flags[@]}" \
        >"$work/peer.url" 2>"$work/provider.log" &
    peer=$!
    await "$work/peer.url"
    url=$(cat "$work/peer.url")
    BROWSERBASE_BASE_URL=$url STAGEHAND_BASE_URL=$url BROWSERBASE_API_KEY=local \
        BROWSERBASE_PROJECT_ID=00000000-0000-4000-8000-000000000001 "$program" --rounds=forever --sessions=4 \
        --state-dir="$work/orchestrator" --health="127.0.0.1:$health_port" --degraded=10 \
        --breaker=failure_threshold=3 --breaker=open_s=10 2>"$work/orchestrator.log" &
    orchestrator=$!
    make_trouble "$url" &
    trouble=$!
    notes="Orchestrator   http://127.0.0.1:$health_port/health
Provider       $url/control/state
Make it fail   curl -X POST $url/control/faults -d '{\"where\": \"act\", \"kind\": \"503\", \"count\": 3}'
"
}

# Each part gets a process group of its own, so that Ctrl-C reaches this script alone and things end in order.
set -m
if [ "$pair" != shell ]; then
    health_port=$(free_port "${HEALTH_PORT:-8000}")
    probe=(--orchestrator.health-url="http://127.0.0.1:$health_port/health")
fi
"$oxpecker" --web.listen-address="127.0.0.1:$port" --storage.path="$work/storage" --web.enable-lifecycle \
    --storage.sample-interval=5s "${probe[@]}" \
    2>"$work/oxpecker.log" &
sidecar=$!
for _ in $(seq 300); do
    "$oxpecker" healthcheck --web.listen-address="127.0.0.1:$port" >/dev/null 2>&1 && break
    kill -0 $sidecar 2>/dev/null || { cat "$work/oxpecker.log" >&2; exit 1; }
    sleep 0.1
done

case $pair in
shell) start_shell ;;
orchestrator) start_orchestrator ;;
*) echo "run: there is no $pair" >&2; stop ;;
esac

if command -v prometheus >/dev/null; then
    prometheus_port=$(free_port "${PROMETHEUS_PORT:-9090}")
    cat >"$work/prometheus.yml" <<YAML
global: {scrape_interval: 5s}
scrape_configs:
  - job_name: oxpecker
    static_configs: [{targets: ["127.0.0.1:$port"]}]
YAML
    prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
        --web.listen-address="127.0.0.1:$prometheus_port" --log.level=error 2>"$work/prometheus.log" &
    prometheus=$!
else
    echo "SKIPPED prometheus: not installed (make deps installs it)"
fi
set +m

cat <<EOT
Page           http://127.0.0.1:$port/
Metrics        http://127.0.0.1:$port/metrics
Sessions       http://127.0.0.1:$port/api/oxpecker/v1/sessions
Alerts         $oxpecker alerts --server=127.0.0.1:$port
Ask it         $oxpecker query --server http://127.0.0.1:$port 'sum by (state) (orchestrator_sessions_active)'
${prometheus:+Prometheus     http://127.0.0.1:$prometheus_port
}${notes}Send an event  OXPECKER_EVENTS_LISTEN_UNIX=$OXPECKER_EVENTS_LISTEN_UNIX $oxpecker send session.started session=a region=us-east-1
Logs           $work/*.log
Ctrl-C stops everything.

EOT

up() { # what Prometheus says of the sidecar
    [ -n "$prometheus" ] || { echo -; return; }
    curl -s -m 2 "http://127.0.0.1:$prometheus_port/api/v1/query?query=up" |
        python3 -c 'import json,sys; r=json.load(sys.stdin)["data"]["result"]; print(r[0]["value"][1] if r else "-")' 2>/dev/null || echo -
}

# One line every five seconds, from /metrics itself.
watch() {
    curl -s -m 2 "http://127.0.0.1:$port/metrics" | awk -v up="$(up)" '
        function labels_have(s) { return index($1, s) > 0 }
        /^orchestrator_sessions_active\{/ { active += $2 }
        /^orchestrator_sessions_ended_total\{/ { ended += $2 }
        /^orchestrator_session_duration_seconds_sum/ { sum += $2 }
        /^orchestrator_session_duration_seconds_count/ { count += $2 }
        /^orchestrator_tasks_ended_total\{/ { if (labels_have("succeeded") || labels_have("degraded")) good += $2; else bad += $2 }
        /^orchestrator_retry_attempts_total\{/ { retries += $2 }
        /^orchestrator_errors_total\{/ { errors += $2 }
        /^orchestrator_recoveries_total\{/ { if (labels_have("\"recovered\"")) recoveries += $2 }
        /^orchestrator_breaker_state\{/ && $2 == 1 && !labels_have("\"other\"") {
            match($1, /breaker="[^"]*"/); name = substr($1, RSTART + 9, RLENGTH - 10)
            match($1, /state="[^"]*"/); breakers = breakers " " name "=" substr($1, RSTART + 7, RLENGTH - 8)
        }
        END {
            printf "sessions %d open, %d ended (mean %.1f s) | tasks %d good, %d bad | retries %d | errors %d, recovered %d | breakers%s | up %s\n",
                active, ended, count ? sum / count : 0, good, bad, retries, errors, recoveries, breakers, up
        }'
}
began=$SECONDS
while kill -0 $sidecar 2>/dev/null; do
    sleep 5 &
    wait $!
    watch
    [ -z "${RUN_SECONDS:-}" ] || [ $((SECONDS - began)) -lt "$RUN_SECONDS" ] || stop
done
echo "the sidecar ended by itself:" >&2
tail -n 20 "$work/oxpecker.log" >&2
sidecar=''
status=1
stop
