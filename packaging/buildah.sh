#!/usr/bin/env bash
# buildah with a store of its own in the target folder: works without overlays, and touches no image of yours.
set -euo pipefail
store=${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}/containers
mkdir -p "$store"
store=$(realpath "$store")
exec buildah --storage-driver vfs --root "$store/storage" --runroot "$store/run" "$@"
