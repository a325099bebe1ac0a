#!/usr/bin/env bash
# Shows every second who is there: the backends' pods, what both of their services lead to, and the same
# for the replicas. `squall watch` shows it for a run in the simulation.
set -uo pipefail

namespace=${NAMESPACE:-highload-dns}

section() {
    printf '== %s\n' "$1"
    shift
    kubectl -n "$namespace" get "$@" 2>&1
    echo
}

while true; do
    # Collected first, so that the screen does not flicker.
    screen=$(
        date '+%H:%M:%S'
        echo
        section 'backend pods' pods -l app=backend -o wide
        section 'endpoints of backend' endpoints backend
        section 'endpoints of backend-headless' endpoints backend-headless
        section 'replica pods' pods -l app=postgres,role=replica -o wide
        section 'endpoints of postgres-replicas' endpoints postgres-replicas
    )
    clear
    printf '%s\n' "$screen"
    sleep 1
done
