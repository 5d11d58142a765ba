#!/usr/bin/env bash
# Creates the file system of the image in a folder: rootfs.sh FOLDER. Builds the binary if needed.
set -euo pipefail
umask 022
folder=$(realpath -m "${1:?must be the folder to create}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source packaging/common.sh

# The certificates of Debian's package ca-certificates, without those that only this machine trusts.
certificates=/usr/share/ca-certificates/mozilla

packaging/release.sh
[[ -d $certificates ]] || apt_install ca-certificates
rm -rf "$folder"
install -D "$(release_folder)/gatefold" "$folder/gatefold"
install -d "$folder/etc/ssl/certs"
cat "$certificates"/*.crt >"$folder/etc/ssl/certs/ca-certificates.crt"
install -D -m 644 LICENSE "$folder/LICENSE"
install -d "$folder/etc/gatefold/manifests"
