#!/usr/bin/env bash
# Builds the container image from the release binary with buildah, without an engine or a registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

main() {
    need buildah=buildah jq=jq
    local rootfs archive name
    rootfs=$(target_folder)/image
    archive=$(dist_folder)/gatefold-image.tar
    name=localhost/gatefold:$(version)
    packaging/rootfs.sh "$rootfs"
    say "building the image $name"
    # The OCI image format does not support HEALTHCHECK.
    packaging/buildah.sh bud --quiet --isolation chroot --format docker --timestamp "$(commit_time)" \
        --build-arg VERSION="$(version)" --build-arg REVISION="$(revision)" \
        --file packaging/Dockerfile --target prebuilt --tag "$name" "$rootfs" >/dev/null
    mkdir -p "$(dirname "$archive")"
    rm -f "$archive"
    packaging/buildah.sh push --quiet "$name" "docker-archive:$archive:gatefold:$(version)"
    say "built: $archive. Load it with: docker load --input $archive"
}

# Makes the image reproducible.
commit_time() { git log -1 --format=%ct 2>/dev/null || echo 0; }
revision() { git rev-parse HEAD 2>/dev/null || echo unknown; }

main "$@"
