#!/bin/bash
# The sidecar with the orchestrator in a shell script beside it: what `make run-shell` starts.
exec "$(dirname "$0")/../run/run.sh" shell
