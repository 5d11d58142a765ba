#!/usr/bin/env bash
# Lays out the file system of the image in a folder: rootfs.sh FOLDER. Builds the binary when need be.
set -euo pipefail
umask 022
folder=$(realpath -m "${1:?names the folder}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

# What Debian's package ca-certificates brings, and nothing that this machine trusts besides.
certificates=/usr/share/ca-certificates/mozilla

packaging/release.sh
[[ -d $certificates ]] || apt_install ca-certificates
rm -rf "$folder"
install -D "$(release_folder)/gatefold" "$folder/gatefold"
install -d "$folder/etc/ssl/certs"
cat "$certificates"/*.crt >"$folder/etc/ssl/certs/ca-certificates.crt"
install -D -m 644 LICENSE "$folder/LICENSE"
install -d "$folder/etc/gatefold/manifests"
