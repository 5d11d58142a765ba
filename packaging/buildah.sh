#!/usr/bin/env bash
# Runs buildah with a separate store in the target folder: works without overlays, and changes no other image.
set -euo pipefail
store=${CARGO_TARGET_DIR:-$(dirname "${BASH_SOURCE[0]}")/../target}/containers
mkdir -p "$store"
store=$(realpath "$store")
exec buildah --storage-driver vfs --root "$store/storage" --runroot "$store/run" "$@"
