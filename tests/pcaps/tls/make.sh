#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Records real TLS handshakes of OpenSSL 3 and GnuTLS on loopback, as root, here or in the folder given:
#     make.sh [FOLDER]
# For each: NAME.pcap, the frames; NAME.keys, the key log that OpenSSL itself wrote; and
# NAME.client.kdf, NAME.server.kdf, the key derivations of either side (kdf.c). The files are checked
# in: made again they have other randoms. Wanted: openssl, gnutls-cli, tcpdump, gcc.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
port=14430

gcc -shared -fPIC -o "$work/kdf.so" "$here/kdf.c" -ldl
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 \
	-subj /CN=api.production.svc -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null

# start_server OPTIONS...: the key log and derivations of one test go to $work/NAME.*
start_server() {
	KDF_LOG="$work/server.kdf" LD_PRELOAD="$work/kdf.so" openssl s_server -accept "$address" \
		-cert "$work/cert.pem" -key "$work/key.pem" -alpn http/1.1 -quiet "$@" \
		>/dev/null 2>&1 &
	server=$!
	until ss -tln | grep -q ":$port "; do :; done
}

stop_server() {
	kill "$server"
	wait "$server" 2>/dev/null || true
}

# start_capture NAME
start_capture() {
	rm -f "$work"/*.kdf
	tcpdump -i lo -Z root --immediate-mode -U -w "$folder/$1.pcap" "tcp port $port" \
		2>"$work/tcpdump" &
	capture=$!
	until grep -q listening "$work/tcpdump"; do :; done
}

# stop_capture NAME
stop_capture() {
	sleep 0.3
	kill "$capture"
	wait "$capture" 2>/dev/null || true
	for side in client server; do
		[ ! -e "$work/$side.kdf" ] || cp "$work/$side.kdf" "$folder/$1.$side.kdf"
	done
}

# connect OPTIONS...
connect() {
	printf 'hello\n' | KDF_LOG="$work/client.kdf" LD_PRELOAD="$work/kdf.so" timeout 5 \
		openssl s_client -connect "$address" -servername api.production.svc \
		-alpn http/1.1,h2 -quiet -no_ign_eof "$@" >/dev/null 2>&1
}

# one NAME SERVER-OPTIONS CLIENT-OPTIONS
one() {
	start_server $2
	start_capture "$1"
	rm -f "$folder/$1.keys"
	connect -keylogfile "$folder/$1.keys" $3
	stop_capture "$1"
	stop_server
}

# resumed NAME SERVER-OPTIONS CLIENT-OPTIONS MORE-CLIENT-OPTIONS-OF-THE-SECOND
resumed() {
	start_server $2
	# Tickets come behind the handshake: wait for them.
	(sleep 0.5) | timeout 5 openssl s_client -connect "$address" -servername api.production.svc \
		-alpn http/1.1,h2 -sess_out "$work/session" $3 >/dev/null 2>&1
	start_capture "$1"
	rm -f "$folder/$1.keys"
	connect -keylogfile "$folder/$1.keys" -sess_in "$work/session" $3 $4
	stop_capture "$1"
	stop_server
}

printf 'GET / HTTP/1.0\r\n\r\n' >"$work/early"

address=127.0.0.1:$port
one tls13-sha384 "" "-ciphersuites TLS_AES_256_GCM_SHA384"
one tls13-sha256 "" "-ciphersuites TLS_AES_128_GCM_SHA256"
one tls13-retry "-groups P-384" "-groups X25519:P-384"
one tls12 "" "-tls1_2"
resumed tls13-resumed "" "" ""
resumed tls13-early "-early_data" "" "-early_data $work/early"
resumed tls12-resumed "" "-tls1_2" ""
address=[::1]:$port
one tls13-ipv6 "" ""

# The client is GnuTLS; the server is OpenSSL without a probe.
address=127.0.0.1:$port
openssl s_server -accept "$address" -cert "$work/cert.pem" -key "$work/key.pem" -alpn http/1.1 \
	-quiet >/dev/null 2>&1 &
server=$!
until ss -tln | grep -q ":$port "; do :; done
start_capture gnutls
rm -f "$folder/gnutls.keys"
printf 'hello\n' | KDF_LOG="$work/client.kdf" LD_PRELOAD="$work/kdf.so" timeout 5 \
	env SSLKEYLOGFILE="$folder/gnutls.keys" gnutls-cli --insecure --port "$port" \
	--sni-hostname api.production.svc --alpn http/1.1 127.0.0.1 >/dev/null 2>&1 || true
stop_capture gnutls
stop_server
