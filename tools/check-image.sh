#!/bin/sh
# Runs the build of the Dockerfile, without docker, and the program in a root that is as empty as
# the image's. It needs user namespaces, or root.
set -eu
cd "$(dirname "$0")/.."

root=$(mktemp -d)
trap 'chmod -R u+w "$root" && rm -rf "$root"' EXIT
build=$(sed -n 's/^RUN \(CGO_ENABLED=0 go build .*\)$/\1/p' Dockerfile)
[ -n "$build" ] || { echo "the Dockerfile has no build" >&2; exit 1; }
sh -c "$(printf '%s' "$build" | sed "s|/out/bakeoff|$root/bakeoff|")"

if ldd "$root/bakeoff" >/dev/null 2>&1; then
	echo "the program is not static:" >&2
	ldd "$root/bakeoff" >&2
	exit 1
fi
mkdir "$root/data"
run() {
	if [ "$(id -u)" = 0 ]; then
		chown 65532:65532 "$root/data"
		chmod 755 "$root"
		env -i PATH="$PATH" BAKEOFF_STORE=/data/store HOME=/data TMPDIR=/data chroot --userspec=65532:65532 "$root" /bakeoff "$@"
	else
		env -i PATH="$PATH" BAKEOFF_STORE=/data/store HOME=/data TMPDIR=/data unshare --map-root-user chroot "$root" /bakeoff "$@"
	fi
}
run version
run token create --name check --scope read >/dev/null
run live
ls -l "$root/bakeoff" | awk '{ print $5, "bytes" }'
