#!/bin/bash
# An orchestrator in a shell script: a pool of workers, each a session that fetches pages with curl. It retries with backoff, stops asking
# a dead host for a while (a circuit breaker), and reports every step with `oxpecker send`.
#
#   OXPECKER=path/to/oxpecker OXPECKER_EVENTS_LISTEN_UNIX=/run/oxpecker/events.sock \
#       examples/shell/orchestrator.sh http://127.0.0.1:8080 http://127.0.0.1:1
#
# The first argument is a site with the pages of pages.py, the second a host that refuses. Runs until SIGINT or SIGTERM.
set -u

site=${1:?the address of a site with the pages of pages.py}
dead=${2:?an address where nothing listens}
oxpecker=${OXPECKER:-oxpecker}
workers=${WORKERS:-4}
tasks_per_session=${TASKS_PER_SESSION:-5}
max_attempts=3
breaker_threshold=3 # consecutive failures that open it
breaker_pause=15    # seconds before one probe

state=$(mktemp -d)
stopping=$state/stopping
regions=(us-east-1 us-west-2 eu-central-1)

# Reporting never stops the work: a sidecar that is away costs a line on standard error and no more.
report() {
    "$oxpecker" send "$@" || true
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.3f", b - a }'; }

# ---- the circuit breaker: one file a host, "STATE FAILURES OPENED_AT", changed under a lock ----

breaker_file() { echo "$state/breaker.$1"; }

breaker_move() { # NAME FROM TO FAILURES
    [ "$2" = "$3" ] || report breaker name="$1" from="$2" to="$3" failures="$4" cause=auto
    echo "$3 $4 $(date +%s)" >"$(breaker_file "$1")"
}

# Says yes (0) or no (1) to a call. Of the workers that ask after the pause, one gets to probe.
breaker_allows() {
    local name=$1 breaker failures opened
    exec {lock}>"$state/breaker.$name.lock" && flock "$lock"
    read -r breaker failures opened <"$(breaker_file "$name")"
    local verdict=0
    if [ "$breaker" = half_open ] || { [ "$breaker" = open ] && [ $(($(date +%s) - opened)) -lt $breaker_pause ]; }; then
        verdict=1
        report breaker.calls name="$name" rejected=1
    elif [ "$breaker" = open ]; then
        breaker_move "$name" open half_open "$failures"
    fi
    exec {lock}>&-
    return $verdict
}

breaker_result() { # NAME ok|failed
    local name=$1 breaker failures opened
    exec {lock}>"$state/breaker.$name.lock" && flock "$lock"
    read -r breaker failures opened <"$(breaker_file "$name")"
    if [ "$2" = ok ]; then
        report breaker.calls name="$name" success=1
        breaker_move "$name" "$breaker" closed 0
    else
        report breaker.calls name="$name" failure=1
        failures=$((failures + 1))
        if [ "$breaker" = half_open ] || [ "$failures" -ge $breaker_threshold ]; then
            breaker_move "$name" "$breaker" open "$failures"
        else
            breaker_move "$name" "$breaker" "$breaker" "$failures"
        fi
    fi
    exec {lock}>&-
}

# ---- one page ----

# Fetches a page once. Sets `http` (000 without an answer) and `fault`, the errno name that a refusal or a timeout stands for.
fetch() {
    local began code
    began=$(now)
    http=$(curl -s -o /dev/null -m 5 -w '%{http_code}' "$1")
    code=$?
    fault=
    case $code in
    0) ;;
    6) fault=ENOTFOUND ;;
    7) fault=ECONNREFUSED ;;
    28) fault=ETIMEDOUT ;;
    *) fault=ECONNRESET ;;
    esac
    seconds=$(since "$began")
    [ $code -eq 0 ] && [ "$http" -lt 400 ]
}

# Fetches with retries. Reports each failure, each wait and how it ended.
fetch_with_retries() { # URL BREAKER SESSION TASK
    local url=$1 breaker=$2 attempt=1 delay=1
    local ids=(session="$3" task="$4" workflow=fetch)
    while :; do
        if ! breaker_allows "$breaker"; then
            report error op=navigate upstream=site code=breaker_open message="breaker $breaker is open" "${ids[@]}"
            return 1
        fi
        if fetch "$url"; then
            breaker_result "$breaker" ok
            report operation op=navigate ok=true duration_s="$seconds" "${ids[@]}"
            [ $attempt -eq 1 ] || report retry op=navigate upstream=site attempt=$attempt outcome=recovered attempts=$attempt "${ids[@]}"
            return 0
        fi
        report operation op=navigate ok=false duration_s="$seconds" "${ids[@]}"
        if [ -n "$fault" ]; then
            breaker_result "$breaker" failed
            report error op=navigate upstream=site errno="$fault" message="no answer from $url" "${ids[@]}"
        else
            # an answer is an answer: the host lives, whatever it thinks of us
            breaker_result "$breaker" ok
            report error op=navigate upstream=site status="$http" message="$url answered $http" "${ids[@]}"
        fi
        if [ $attempt -ge $max_attempts ] || [ "$http" = 404 ] || [ -e "$stopping" ]; then
            [ $attempt -eq 1 ] || report retry op=navigate upstream=site attempt=$attempt outcome=exhausted attempts=$attempt "${ids[@]}"
            return 1
        fi
        attempt=$((attempt + 1))
        report retry op=navigate upstream=site attempt=$attempt delay_s=$delay "${ids[@]}"
        sleep $delay
        delay=$((delay * 2))
    done
}

# ---- workers ----

pick_page() { # sets url and breaker
    local kind=$((RANDOM % 10))
    breaker=site
    case $kind in
    0 | 1 | 2 | 3) url=$site/ok/$RANDOM ;;
    4 | 5) url=$site/slow/$RANDOM ;;
    6) url=$site/flaky/$RANDOM ;;
    7) url=$site/busy/$RANDOM ;;
    8) url=$site/missing/$RANDOM ;;
    *) url=$dead/page/$RANDOM breaker=dead_host ;;
    esac
}

run_session() { # WORKER NUMBER
    local session="w$1-$2-$$" region=${regions[$(($1 % ${#regions[@]}))]} ended=COMPLETED task i
    report session.creating ref="$session" region="$region"
    sleep "0.$((RANDOM % 5 + 1))" # a paid browser would take its time here
    report session.started session="$session" ref="$session" region="$region" timeout_s=600
    for ((i = 1; i <= tasks_per_session; i++)); do
        [ ! -e "$stopping" ] || break
        task="$session-t$i"
        pick_page
        report task.queued task="$task" workflow=fetch priority=normal
        report task.started task="$task" session="$session" workflow=fetch
        if fetch_with_retries "$url" "$breaker" "$session" "$task"; then
            report task.ended task="$task" workflow=fetch status=succeeded
        else
            report task.ended task="$task" workflow=fetch status=failed
        fi
    done
    [ $((RANDOM % 10)) -ne 0 ] || ended=TIMED_OUT
    report session.releasing session="$session"
    report session.ended session="$session" status=$ended
}

worker() {
    trap '' INT # the session is ended in good order; the parent says when
    local n=0
    while [ ! -e "$stopping" ]; do
        n=$((n + 1))
        run_session "$1" $n
    done
}

# ---- the whole ----

for name in site dead_host; do
    echo "closed 0 0" >"$(breaker_file $name)"
    report breaker name=$name from=closed to=closed failures=0
done

# One connection that stays open announces this process and says that it lives; when the script is killed the connection ends with it.
boot=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
mkfifo "$state/voice"
"$oxpecker" send - <"$state/voice" &
voice=$!
exec {say}>"$state/voice"
echo "orchestrator.started boot=$boot writer=shell version=1.0 environment=example sessions_limit=$workers" >&"$say"

finish() {
    trap '' INT TERM
    touch "$stopping"
    wait "${pool[@]}" 2>/dev/null
    echo "orchestrator.stopping reason=asked" >&"$say"
    exec {say}>&-
    wait "$voice" 2>/dev/null
    rm -rf "$state"
    exit 0
}
trap finish INT TERM

pool=()
for ((w = 0; w < workers; w++)); do
    worker $w {say}>&- &
    pool+=($!)
done
while :; do
    echo "orchestrator.heartbeat" >&"$say"
    sleep 5 {say}>&- &
    wait $!
done
