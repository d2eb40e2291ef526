# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by demo and run: a fresh Debian 12 becomes a machine that can build, install and test.
# shellcheck shell=bash

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

BUILD_PACKAGES="gcc cmake ninja-build pkg-config clang llvm bpftool libbpf-dev libglib2.0-dev
	libpcap-dev libmnl-dev libcap-dev libcurl4-openssl-dev libjansson-dev libyaml-dev
	libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler
	wireshark-dev libwireshark-dev tshark git"
NODE_PACKAGES="containerd runc containernetworking-plugins iproute2 iptables python3-grpcio
	busybox-static curl wrk iperf3 nginx-light tcpdump libcap2-bin dnsmasq-base bind9-dnsutils
	tinyproxy-bin nghttp2-proxy python3-websockets"
TEST_PACKAGES="wireshark xvfb xdotool imagemagick tesseract-ocr netsniff-ng ethtool
	libclang-rt-14-dev procps util-linux binutils openssl gnutls-bin golang-go cargo librust-rustls-dev
	librust-rustls-pemfile-dev nodejs musl-tools make perl
	libnss3-tools openjdk-17-jre-headless"

say() {
	printf '\n== %s\n' "$*"
}

need_root() {
	if [ "$(id -u)" != 0 ]; then
		echo "$0: run it as root: it installs packages and starts pods" >&2
		exit 1
	fi
}

# Installs what is missing of the named packages.
install_packages() {
	local missing=()
	for package in "$@"; do
		dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
			missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >/dev/null
	apt-get install -y -q --no-install-recommends "${missing[@]}" >/tmp/stratoshark-apt.log 2>&1 || {
		tail -5 /tmp/stratoshark-apt.log >&2
		exit 1
	}
	# A service of the distribution is not wanted: the node starts its own containerd.
	systemctl disable --now containerd nginx >/dev/null 2>&1 || true
}

# build FOLDER [CMAKE ARGUMENT...]
build() {
	local folder=$1
	shift
	say "building $folder"
	cmake -S "$SOURCE" -B "$folder" -G Ninja "$@" >"$folder.log" 2>&1 &&
		cmake --build "$folder" >>"$folder.log" 2>&1 || {
		tail -40 "$folder.log" >&2
		exit 1
	}
}
