#!/bin/bash
# What `make run` starts: the sidecar, a small web site, an orchestrator that fetches from it and reports every step, and Prometheus when
# it is installed. Prints where to look and what is happening. Ctrl-C stops everything, in order.
#
# PORT (10108) is the sidecar's, PROMETHEUS_PORT (9090) Prometheus'; a port that is taken is replaced by a free one.
# OXPECKER names another binary; RUN_SECONDS ends the run by itself.
set -u
cd "$(dirname "$0")/../.." || exit 1

oxpecker=${OXPECKER:-$(pwd)/build/release/oxpecker}
[ -x "$oxpecker" ] || { echo "run: there is no $oxpecker; try make build" >&2; exit 1; }
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
sidecar='' pages='' orchestrator='' prometheus=''

end() { # PID: asks it to stop and waits for it
    [ -z "$1" ] || { kill -TERM "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
}

stop() {
    trap '' INT TERM
    echo
    echo "stopping: the orchestrator ends its sessions first ..."
    end "$orchestrator"
    end "$pages"
    end "$prometheus"
    [ -z "$sidecar" ] || { kill -INT "$sidecar" 2>/dev/null; wait "$sidecar"; status=$?; }
    [ "${status:-0}" -eq 0 ] && echo "stopped." || echo "the sidecar ended with status $status; its log: $work/oxpecker.log"
    [ "${status:-0}" -ne 0 ] || rm -rf "$work"
    exit "${status:-0}"
}
trap stop INT TERM

# Each part gets a process group of its own, so that Ctrl-C reaches this script alone and things end in order.
set -m
"$oxpecker" --web.listen-address="127.0.0.1:$port" --storage.path="$work/storage" --web.enable-lifecycle \
    2>"$work/oxpecker.log" &
sidecar=$!
for _ in $(seq 50); do
    "$oxpecker" healthcheck --web.listen-address="127.0.0.1:$port" >/dev/null 2>&1 && break
    kill -0 $sidecar 2>/dev/null || { cat "$work/oxpecker.log" >&2; exit 1; }
    sleep 0.1
done

python3 examples/shell/pages.py 0 >"$work/pages.port" &
pages=$!
for _ in $(seq 50); do [ -s "$work/pages.port" ] && break; sleep 0.1; done
site=http://127.0.0.1:$(cat "$work/pages.port")
dead=http://127.0.0.1:1 # a reserved port: nothing listens there

OXPECKER=$oxpecker examples/shell/orchestrator.sh "$site" "$dead" 2>"$work/orchestrator.log" &
orchestrator=$!

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
Metrics        http://127.0.0.1:$port/metrics
Sessions       http://127.0.0.1:$port/api/oxpecker/v1/sessions
${prometheus:+Prometheus     http://127.0.0.1:$prometheus_port
}Send an event  OXPECKER_EVENTS_LISTEN_UNIX=$OXPECKER_EVENTS_LISTEN_UNIX $oxpecker send session.started session=a region=us-east-1
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
        /^orchestrator_tasks_ended_total\{/ { if (labels_have("succeeded")) good += $2; else bad += $2 }
        /^orchestrator_retry_attempts_total\{/ { retries += $2 }
        /^orchestrator_errors_total\{/ { errors += $2 }
        /^orchestrator_breaker_state\{/ && $2 == 1 && !labels_have("\"other\"") {
            match($1, /breaker="[^"]*"/); name = substr($1, RSTART + 9, RLENGTH - 10)
            match($1, /state="[^"]*"/); breakers = breakers " " name "=" substr($1, RSTART + 7, RLENGTH - 8)
        }
        END {
            printf "sessions %d open, %d ended (mean %.1f s) | tasks %d good, %d bad | retries %d | errors %d | breakers%s | up %s\n",
                active, ended, count ? sum / count : 0, good, bad, retries, errors, breakers, up
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
