#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the plugin with the Wireshark of other Debian suites and runs its tests there, and those of
# captures with TLS keys and plaintext:
#	versions.sh [--gui] trixie sid
# With --gui also the views of Wireshark itself (test_gui.py); pictures stay in /pictures of the chroot.
# Each suite lives in a chroot below $STRATOCAP_CACHE (default ~/.cache/stratoshark), made on first
# use with debootstrap from the mirror this machine's apt uses ($STRATOCAP_MIRROR overrides it);
# remove the folder to have it made anew. Runs as root, in a mount namespace of its own, so that
# no mount outlives it.
set -eu

cache=${STRATOCAP_CACHE:-$HOME/.cache/stratoshark}
source=$(cd "$(dirname "$0")/../.." && pwd)
packages="gcc libc6-dev cmake make pkgconf python3 util-linux
	libglib2.0-dev libwireshark-dev wireshark-dev tshark libpcap-dev libcap-dev"
gui_packages="wireshark xvfb xdotool imagemagick tesseract-ocr"

fail()
{
	echo "versions.sh: $*" >&2
	exit 1
}

# The machine's own mirror of Debian proper; -security and -updates do not hold whole suites.
mirror()
{
	if [ -n "${STRATOCAP_MIRROR:-}" ]; then
		echo "$STRATOCAP_MIRROR"
		return
	fi
	# shellcheck disable=SC2016 # apt expands these, not the shell
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' |
		awk '$2 !~ /-/ && $3 == "main" { print $1; exit }'
}

make_chroot() # SUITE ROOT
{
	# shellcheck disable=SC2086
	[ "$(cat "$2/.complete" 2>/dev/null)" = "$(echo $packages)" ] && return
	url=$(mirror)
	[ -n "$url" ] || fail "apt knows no Debian mirror here: set STRATOCAP_MIRROR to its URL"
	echo "versions.sh: making a $1 chroot in $2 (once)"
	# What an interrupted run left is of no use to debootstrap.
	rm -rf --one-file-system "$2"
	mkdir -p "$2"
	DEBIAN_FRONTEND=noninteractive debootstrap --variant=minbase "$1" "$2" "$url" \
		>"$cache/$1.log" 2>&1 || fail "debootstrap failed: see $cache/$1.log"
	# With apt, not --include: debootstrap does not know alternatives and virtual packages.
	# No service may start in the chroot.
	printf '#!/bin/sh\nexit 101\n' >"$2/usr/sbin/policy-rc.d"
	chmod 755 "$2/usr/sbin/policy-rc.d"
	# shellcheck disable=SC2086,SC2116 # joins the lines
	in_chroot "$2" "DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends $(echo $packages)" \
		>>"$cache/$1.log" 2>&1 || fail "installing Wireshark failed: see $cache/$1.log"
	# shellcheck disable=SC2086
	echo $packages >"$2/.complete"
}

in_chroot() # ROOT COMMAND
{
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount --propagation private sh -eu -c '
		mount -t proc proc "$1/proc"
		mkdir -p "$1/src"
		mount --bind "$2" "$1/src"
		mount -o remount,bind,ro "$1/src"
		exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			HOME=/root LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 sh -euc "$3"
	' sh "$1" "$source" "$2"
}

gui=
if [ "${1:-}" = --gui ]; then
	gui=yes
	shift
fi
[ $# -gt 0 ] || fail "usage: versions.sh [--gui] SUITE...   (for example: trixie sid)"
[ "$(id -u)" = 0 ] || fail "needs root for chroot and mount: run it with sudo"
command -v debootstrap >/dev/null || fail "needs debootstrap: apt-get install debootstrap"
mkdir -p "$cache"

failed=
for suite; do
	root=$cache/$suite
	make_chroot "$suite" "$root"
	if in_chroot "$root" '
		tshark --version | head -n 1
		rm -rf /build
		cmake -S /src/plugins/epan/stratoshark -B /build -DWERROR=ON >/build.log ||
			{ cat /build.log; exit 1; }
		cmake --build /build
		STRATOCAP_PLUGIN=/build/stratoshark.so python3 /src/tests/plugin/test_plugin.py
		STRATOCAP_PLUGIN=/build/stratoshark.so python3 /src/tests/plugin/fuzz.py --seconds 20
		STRATOCAP_PLUGIN=/build/stratoshark.so python3 /src/tests/tls/test_captures.py
		rm -rf /build-replay
		cmake -S /src -B /build-replay -DWITH_BPF=OFF -DWITH_PLUGIN=OFF -DWITH_KUBE=OFF -DWITH_CRI=OFF >/build.log ||
			{ cat /build.log; exit 1; }
		cmake --build /build-replay --target conversation >/build.log ||
			{ cat /build.log; exit 1; }
		STRATOCAP_CONVERSATION=/build-replay/tests/tls/conversation \
			python3 /src/tests/tls/test_plaintext_frames.py
	' && { [ -z "$gui" ] || in_chroot "$root" "
		DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
			$gui_packages >/gui.log 2>&1 || { cat /gui.log; exit 1; }
		STRATOCAP_PLUGIN=/build/stratoshark.so STRATOCAP_ARTIFACTS=/pictures \
			python3 /src/tests/plugin/test_gui.py
	"; }; then
		echo "versions.sh: $suite: passed"
	else
		echo "versions.sh: $suite: FAILED"
		failed="$failed $suite"
	fi
done
[ -z "$failed" ] || fail "failed:$failed"
