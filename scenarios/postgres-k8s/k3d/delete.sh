#!/usr/bin/env bash
# Deletes the cluster and the registry with its images.
set -euo pipefail

k3d cluster delete "${CLUSTER:-hl-k3d}"
k3d registry delete k3d-registry.localhost
