#!/usr/bin/env bash
# Deletes the system with everything in its namespace, the primary's data included.
set -euo pipefail

kubectl delete namespace highload-dns --ignore-not-found
