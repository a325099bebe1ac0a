#!/usr/bin/env bash
# Applies the system and waits until it is there. VARIANT=as-published for what the exercise came with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

variant=${VARIANT:-cured}
namespace=highload-dns

if [ ! -f "$variant/nginx.cm.yaml" ]; then
    echo "apply: no variant '$variant'; there are cured and as-published" >&2
    exit 1
fi

kubectl apply -f base -f "$variant"
kubectl -n "$namespace" rollout status statefulset/postgres-primary --timeout=180s
for deployment in postgres-replicas haproxy backend nginx; do
    kubectl -n "$namespace" rollout status "deployment/$deployment" --timeout=180s
done
# What has no rollout: a changed configuration reaches who reads it only at its start.
echo "after a change of a ConfigMap: kubectl -n $namespace rollout restart deploy/nginx deploy/haproxy"
echo "to reach it: kubectl -n $namespace port-forward svc/nginx 8081:80"
