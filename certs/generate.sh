#!/usr/bin/env bash
# Creates certificates as many tutorials do: a certificate authority, and for each hostname a certificate signed by it.
# They have no extensions: X.509 version 1, a common name, serial number 0. Writes each certificate and key as a Secret, too.
#
#   certs/generate.sh DIR [HOSTNAME=SECRET ...]      default: www.example.com=example-cert
#
#   DIR/example.com.crt     the authority, for curl --cacert. An existing one is kept.
#   DIR/HOSTNAME.crt .key   the certificate and its key
#   DIR/SECRET.yaml         the same as a Secret of type kubernetes.io/tls
set -euo pipefail
umask 077

main() {
    if [[ $# == 0 || $1 == -* ]]; then
        sed -nE '2,/^set/s/^# ?//p' "${BASH_SOURCE[0]}"
        exit 2
    fi
    mkdir -p "$1"
    cd "$1"
    shift
    if [[ ! -f example.com.crt || ! -f example.com.key ]]; then authority; fi
    local pair
    for pair in "${@:-www.example.com=example-cert}"; do
        certificate "${pair%%=*}"
        secret "${pair%%=*}" "${pair#*=}"
    done
}

authority() {
    quiet openssl req -x509 -sha256 -nodes -days 365 -newkey rsa:2048 \
        -subj '/O=example Inc./CN=example.com' -keyout example.com.key -out example.com.crt
}

certificate() {
    local host=$1
    quiet openssl req -newkey rsa:2048 -nodes -subj "/CN=$host/O=example organization" \
        -keyout "$host.key" -out "$host.csr"
    quiet openssl x509 -req -days 365 -CA example.com.crt -CAkey example.com.key -set_serial 0 \
        -in "$host.csr" -out "$host.crt"
    rm "$host.csr"
}

# Renames the complete file into place, since a daemon may be watching the folder.
secret() {
    local host=$1 name=$2
    cat >".$name.yaml" <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: $name
type: kubernetes.io/tls
data:
  tls.crt: $(openssl base64 -A -in "$host.crt")
  tls.key: $(openssl base64 -A -in "$host.key")
YAML
    mv ".$name.yaml" "$name.yaml"
}

# openssl prints its progress on stderr. Shows it only on failure.
quiet() {
    local output
    output=$("$@" 2>&1) || { printf '%s\n' "$output" >&2; return 1; }
}

main "$@"
