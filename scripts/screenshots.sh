#!/usr/bin/env bash
# Takes the pictures of the documentation into docs/images: of the real window with
# real jobs, in a machine of its own (namespaces), so that they show nobody's names,
# addresses and folders. It needs root for that, and what make test needs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != inside ]; then
	if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
		echo "screenshots: this makes namespaces, which only root may, on Linux: sudo -E make screenshots" >&2
		exit 2
	fi
	exec unshare --mount --uts --net --propagation private -- "$0" inside
fi

# An operator called anna on a machine called laptop; ben for another one.
ip link set lo up
hostname laptop
names=/home/passwd
keep=$(mktemp -d) # the caches of Go may be below /home
mount -t tmpfs -o mode=755 tmpfs "$keep"
cp /etc/passwd /etc/hosts "$keep"
export GOCACHE GOMODCACHE GOPATH
GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE) GOPATH=$(go env GOPATH)
case $GOCACHE$GOMODCACHE$PWD in *//home/* | /home/* | *:/home/*)
	echo "screenshots: /home is replaced, so neither this clone nor the caches of Go can be in it" >&2
	exit 2
	;;
esac
mount -t tmpfs -o mode=755 tmpfs /home
mkdir -p /home/anna /home/ben
for who in anna ben; do
	sed "s#^root:.*#$who:x:0:0:$who:/home/$who:/bin/bash#" "$keep/passwd" >"$names.$who"
done
sed 's/^127\.0\.1\.1.*//' "$keep/hosts" >/home/hosts
printf '127.0.0.1 laptop desk-7\n127.0.0.11 web-1.example\n127.0.0.12 web-2.example\n127.0.0.13 db-1.example\n127.0.0.20 db.example\n' >>/home/hosts
mount --bind "$names.anna" /etc/passwd
mount --bind /home/hosts /etc/hosts

mkdir -p docs/images
unset DISPLAY WAYLAND_DISPLAY SSH_AUTH_SOCK VMO_DATA_DIR VMO_SSH_CONFIG VMO_DATABASE_URL
VMO_PICTURES=$PWD/docs/images USER=anna go test -tags window,pictures,webkit2_41 ./app/windowtest -run '^TestPictures$' -count=1 -v -timeout 10m
