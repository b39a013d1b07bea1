#!/usr/bin/env bash
# Makes the application and a disk image with it, on a Mac: the window needs its
# WebKit. UNTESTED: nobody has run this yet; tell what happened.
#
#   scripts/package-macos.sh     into dist/, or the folder in DIST
#
# SIGN_ID is the name of a "Developer ID Application" certificate to sign with, and
# NOTARY_PROFILE one that `xcrun notarytool store-credentials` has stored. Without
# them the system asks whoever opens it, once (see docs/install.md).
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(uname -s)" = Darwin ] || {
	echo "package-macos: this has to run on a Mac" >&2
	exit 1
}
number=$(scripts/version.sh windows)
ldflags=$(scripts/version.sh ldflags)
. build/release.conf
dist=${DIST:-dist}
mkdir -p "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
app="$work/image/VM Orchestrator.app"
mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources" "$work/icon.iconset"

for arch in amd64 arm64; do
	GOARCH=$arch CGO_ENABLED=1 CGO_LDFLAGS="-framework UniformTypeIdentifiers" go build -trimpath -buildvcs=false \
		-tags desktop,production -ldflags "-s -w -buildid= $ldflags" -o "$work/window-$arch" .
	GOARCH=$arch CGO_ENABLED=0 go build -trimpath -buildvcs=false \
		-ldflags "-s -w -buildid= $ldflags" -o "$work/vmo-$arch" ./cmd/vmo
done
lipo -create -output "$app/Contents/MacOS/vm-orchestrator" "$work"/window-*
lipo -create -output "$app/Contents/MacOS/vmo" "$work"/vmo-*

for size in 16 32 128 256 512; do
	sips -z $size $size build/appicon.png --out "$work/icon.iconset/icon_${size}x$size.png" >/dev/null
done
for size in 16 32 128 256; do
	sips -z $((size * 2)) $((size * 2)) build/appicon.png --out "$work/icon.iconset/icon_${size}x$size@2x.png" >/dev/null
done
iconutil -c icns -o "$app/Contents/Resources/icon.icns" "$work/icon.iconset"
sed -e "s/@NUMBER@/${number%.*}/" -e "s/@BUILD@/$number/" -e "s/@APP_ID@/$APP_ID/g" build/macos/Info.plist >"$app/Contents/Info.plist"
plutil -lint "$app/Contents/Info.plist"
cp LICENSE "$app/Contents/Resources/"
node scripts/third-party.mjs >"$app/Contents/Resources/THIRD_PARTY.txt"

# Without a certificate: signed for this machine only, which arm64 demands.
codesign --force --options runtime --sign "${SIGN_ID:--}" "$app/Contents/MacOS/vmo"
codesign --force --options runtime --sign "${SIGN_ID:--}" "$app"
codesign --verify --strict "$app"
ln -s /Applications "$work/image/Applications"
image="$dist/vm-orchestrator-$(scripts/version.sh package)-macos.dmg"
hdiutil create -quiet -ov -volname "VM Orchestrator" -srcfolder "$work/image" -format UDZO "$image"
if [ -n "${NOTARY_PROFILE:-}" ]; then
	xcrun notarytool submit "$image" --keychain-profile "$NOTARY_PROFILE" --wait
	xcrun stapler staple "$image"
fi
echo "package: $image"
