#!/bin/sh
# Sends 20 requests, half a second apart, and prints each answer.
set -eu

url=${1:-http://localhost:8080/data}
requests=20

echo "Send $requests requests to $url..."
for _ in $(seq "$requests"); do
    curl --silent --show-error "$url" || true
    echo
    sleep 0.5
done
