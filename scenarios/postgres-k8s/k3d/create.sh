#!/usr/bin/env bash
# Makes the registry and the cluster: one server, two agents, no Traefik.
set -euo pipefail

cluster=${CLUSTER:-hl-k3d}
port=${REGISTRY_PORT:-5000}

# k3d puts "k3d-" before the registry's name.
if ! k3d registry list k3d-registry.localhost >/dev/null 2>&1; then
    k3d registry create registry.localhost --port "$port"
fi
k3d cluster create "$cluster" \
    --servers 1 --agents 2 \
    --registry-use "k3d-registry.localhost:$port" \
    --k3s-arg "--disable=traefik@server:0" \
    --wait --timeout 180s
kubectl get nodes
