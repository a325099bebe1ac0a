#!/usr/bin/env bash
# Builds every image and puts it into the local registry, from which alone the cluster takes its images.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
registry=${REGISTRY:-k3d-registry.localhost:5000}
nginx=nginx:1.27-alpine

if [ ! -x "$root/target/release/squall-node" ]; then
    echo "build_and_push: first, at $root: cargo build --release -p squall-node" >&2
    exit 1
fi

for image in postgres-primary postgres-replica haproxy; do
    docker build -t "$registry/$image:latest" "$here/$image"
done
docker build -t "$registry/backend:latest" -f "$here/backend/Dockerfile" "$root"
# `resolve` in an upstream is in nginx since 1.27.3; Debian's is older.
docker pull "$nginx"
docker tag "$nginx" "$registry/$nginx"

for image in postgres-primary:latest postgres-replica:latest haproxy:latest backend:latest "$nginx"; do
    docker push "$registry/$image"
done
