#!/usr/bin/env bash
# Takes members of each tier away and gives them back, and sends requests in every phase.
#
#   scripts/demo_failover.sh [URL]
set -euo pipefail

url=${1:-http://127.0.0.1:8081/users}
namespace=${NAMESPACE:-highload-dns}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

phase() {
    printf '\n\n======= %s ========\n' "$1"
}

send() {
    ATTEMPTS=$1 DELAY=0.3 NAMESPACE=$namespace "$here/load-test.sh" "$url"
}

scale() {
    kubectl -n "$namespace" scale "deploy/$1" --replicas="$2"
    sleep 3
}

endpoints() {
    kubectl -n "$namespace" get endpoints "$@"
}

phase 'PHASE 0: baseline (2 backend, 2 replicas)'
endpoints backend backend-headless postgres-replicas
send 12

phase 'PHASE A: disable ONE PG replica (scale to 1)'
scale postgres-replicas 1
endpoints postgres-replicas
send 20

phase 'PHASE A.restore: replicas back to 2'
scale postgres-replicas 2
endpoints postgres-replicas
send 12

phase 'PHASE B: disable ONE backend (scale to 1)'
scale backend 1
endpoints backend backend-headless
send 20

phase 'PHASE B.restore: backend back to 2'
scale backend 2
endpoints backend backend-headless
send 12

phase 'PHASE C: 1 backend + 1 PG replica, then delete the ONLY backend pod (observe errors -> recovery)'
scale backend 1
scale postgres-replicas 1
endpoints backend backend-headless postgres-replicas
send 10

phase 'PHASE C.drop: deleting the ONLY backend pod'
kubectl -n "$namespace" delete pod -l app=backend --wait=false
send 15

phase 'PHASE C.restore: waiting for backend rollout, then verify'
kubectl -n "$namespace" rollout status deploy/backend
endpoints backend backend-headless
send 12

printf '\nDONE\n'
