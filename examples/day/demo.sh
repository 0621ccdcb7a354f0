#!/bin/bash
# What `make demo` starts: the sidecar, days of an orchestrator that are replayed into it at SPEED (default 480: a day in three minutes),
# the provider of that orchestrator as far as the sidecar asks it, a webhook that takes alerts, and Prometheus when it is installed; sidecar
# and Prometheus with the shipped rules, whose windows are divided by the speed. Ctrl-C ends everything.
#
#   examples/day/demo.sh [--speed=N] [--seed=N] [--days=N]
#
# PORT (10108) is the sidecar's, PROMETHEUS_PORT (9090) Prometheus'; a port that is taken is replaced by a free one. OXPECKER names another
# binary; RUN_SECONDS ends the demo by itself. --days=0 (the default) goes on until it is stopped.
set -u
cd "$(dirname "$0")/../.." || exit 1

speed=${SPEED:-480} seed=1 days=0
for word in "$@"; do
    case $word in
    --speed=*) speed=${word#*=} ;;
    --seed=*) seed=${word#*=} ;;
    --days=*) days=${word#*=} ;;
    *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
oxpecker=${OXPECKER:-$(pwd)/build/release/oxpecker}
[ -x "$oxpecker" ] || { echo "demo: there is no $oxpecker; try make build" >&2; exit 1; }
for tool in curl python3; do
    command -v $tool >/dev/null || { echo "demo: $tool is missing; try make deps" >&2; exit 1; }
done
sidecar='' day='' prometheus='' status=0

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

end() { # PID SIGNAL: asks it to stop and waits for it
    [ -n "$1" ] || return 0
    kill "-$2" "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

stop() {
    trap '' INT TERM
    echo
    end "$day" TERM
    end "$prometheus" TERM
    [ -z "$sidecar" ] || end "$sidecar" INT || status=$?
    if [ "$status" -eq 0 ]; then
        rm -rf "$work"
        echo "stopped."
    else
        echo "the demo failed ($status); its logs: $work" >&2
    fi
    exit "$status"
}

# How long the sidecar waits for things, for this speed: as long as in the day, but no shorter than its machinery can.
limits=$(python3 - "$speed" <<'PYTHON'
import sys
try:
    speed = float(sys.argv[1])
except ValueError:
    speed = 0
if not 0 < speed <= 86400:
    sys.exit("demo: --speed must be a number above 0, and at most 86400")
sample = round(max(1, min(15, 60 / speed)))
ask, release = round(max(5, min(60, 60 / speed))), round(max(1000, 3600000 / speed))
group, again = round(max(1, 30 / speed)), round(max(10, 14400 / speed))
print(f"{max(0.5, 5 / speed) * 1000:.0f}ms {max(3, 300 / speed):.0f}s {sample}s {4 * sample} {86400 / speed:.0f} {ask}s {release}ms {group}s {again}s")
PYTHON
) || exit 1
read -r grace stall sample least lasts ask release group again <<<"$limits"
trap stop INT TERM
work=$(mktemp -d "${TMPDIR:-/tmp}/oxpecker-demo.XXXXXX")

scaled() { # DIRECTORY NAME...: scaled copies of the shipped rule files
    mkdir "$1"
    for name in "${@:2}"; do
        python3 examples/day/scale_rules.py --speed="$speed" --least-range="$least" "alerts/rulefiles/$name.yml" >"$1/$name.yml" || exit 1
    done
}
scaled "$work/rules" orchestrator trend
scaled "$work/prometheus-rules" orchestrator trend prometheus-only

# Each part gets a process group of its own, so that Ctrl-C reaches this script alone and things end in order.
set -m
port=$(free_port "${PORT:-10108}")
provider_port=$(free_port 0) webhook_port=$(free_port 0)
echo demo >"$work/key"
cat >"$work/oxpecker.yaml" <<YAML
alerting:
  route: {receiver: day, group_by: [alertname], group_wait: $group, group_interval: $group, repeat_interval: $again}
  receivers:
    - {name: day, webhook_configs: [{url: "http://127.0.0.1:$webhook_port/alerts"}]}
cloudwatch: {region: us-east-1, lane: emf, interval: $ask}
YAML
python3 examples/day/day.py --socket "$work/events.sock" --speed="$speed" --seed="$seed" --days="$days" --provider="$provider_port" \
    --webhook="$webhook_port" --webhook-log="$work/webhook.log" --wait=60 &
day=$!
for _ in $(seq 600); do # the poller asks at once, and waits after a failure
    curl -sf -m 1 -o /dev/null --noproxy '*' "http://127.0.0.1:$provider_port/v1/projects/day" && break
    sleep 0.05
done
"$oxpecker" --config.file="$work/oxpecker.yaml" --web.listen-address="127.0.0.1:$port" --events.listen-unix="$work/events.sock" --rule-files="$work/rules/*.yml" \
    --storage.sample-interval="$sample" --global.evaluation-interval="$sample" --orchestrator.reconnect-grace="$grace" \
    --orchestrator.stall-limit="$stall" --orchestrator.watch-interval=0s --shutdown.grace=0s --storage.instance="127.0.0.1:$port" \
    --provider.base-url="http://127.0.0.1:$provider_port" --provider.api-key-file="$work/key" --provider.project-id=day --provider.tag=service=day \
    --provider.interval="$ask" --provider.release-orphans=on --provider.release-after="$release" >"$work/cloudwatch.log" 2>"$work/oxpecker.log" &
sidecar=$!
for _ in $(seq 300); do
    "$oxpecker" healthcheck --web.listen-address="127.0.0.1:$port" >/dev/null 2>&1 && break
    kill -0 $sidecar 2>/dev/null || { cat "$work/oxpecker.log" >&2; sidecar='' status=1; stop; }
    sleep 0.1
done

if command -v prometheus >/dev/null; then
    prometheus_port=$(free_port "${PROMETHEUS_PORT:-9090}")
    cat >"$work/prometheus.yaml" <<YAML
global: {scrape_interval: $sample, evaluation_interval: $sample}
rule_files: ["$work/prometheus-rules/*.yml"]
scrape_configs:
  - job_name: oxpecker
    static_configs: [{targets: ["127.0.0.1:$port"]}]
YAML
    prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/prometheus" --enable-feature=exemplar-storage \
        --web.listen-address="127.0.0.1:$prometheus_port" --log.level=error 2>"$work/prometheus.log" &
    prometheus=$!
else
    echo "SKIPPED prometheus: not installed (make deps installs it)"
fi

cat <<EOT
Sidecar        http://127.0.0.1:$port/
Metrics        http://127.0.0.1:$port/metrics
Alerts         $oxpecker alerts --server=127.0.0.1:$port
Ask it         $oxpecker query --server http://127.0.0.1:$port 'sum by (state) (orchestrator_sessions_active)'
${prometheus:+Prometheus     http://127.0.0.1:$prometheus_port/alerts
}Webhook        http://127.0.0.1:$webhook_port/alerts, what it was told: $work/webhook.log
CloudWatch     $work/cloudwatch.log, as lines for its agent; nothing leaves this machine
Logs           $work/*.log
A day lasts    $lasts seconds (--speed=$speed). Ctrl-C stops everything.

EOT
set +m

firing() { # the alerts that fire now, on one line
    curl -s -m 2 --noproxy '*' "http://127.0.0.1:$port/api/v1/alerts" | python3 -c '
import json, sys
alerts = json.load(sys.stdin)["data"]["alerts"]
print(" ".join(sorted({a["labels"]["alertname"] for a in alerts if a["state"] == "firing"})))' 2>/dev/null
}

began=$SECONDS fire=''
while kill -0 $sidecar 2>/dev/null; do
    sleep 1 &
    wait $!
    now=$(firing)
    [ "$now" = "$fire" ] || echo "       firing: ${now:-nothing}"
    fire=$now
    kill -0 $day 2>/dev/null || { wait $day || status=$?; day=''; stop; }
    [ -z "${RUN_SECONDS:-}" ] || [ $((SECONDS - began)) -lt "$RUN_SECONDS" ] || stop
done
echo "the sidecar ended by itself:" >&2
tail -n 20 "$work/oxpecker.log" >&2
sidecar='' status=1
stop
