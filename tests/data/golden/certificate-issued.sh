#!/bin/sh
# Written by Rackwright; certbot runs this once a CA has issued the gateway's certificate.
# Nginx goes over to it without closing a connection; where it would not, all stays as it was.
set -eu
served=/etc/rackwright/tls/served
before=$(readlink "$served")

lead_to() {
    ln -sfnT "$1" "$served.new"
    mv -fT "$served.new" "$served"
}

lead_to "$RENEWED_LINEAGE"
if ! nginx -t -q; then
    lead_to "$before"
    exit 1
fi
systemctl try-reload-or-restart nginx.service
