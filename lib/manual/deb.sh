#!/bin/bash
# deb.sh FOLDER VERSION DATE ARCH: FOLDER/ptd, as make install has left it, becomes build/ptd_VERSION_amd64.deb.
# DEBFULLNAME and DEBEMAIL in the environment: who stands for it.
set -eu -o pipefail
cd "$1"
version=$2 date=$3 arch=$4 root=ptd doc=ptd/usr/share/doc/ptd
machine=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-the PTD authors} <${DEBEMAIL:-authors@ptd.example.org}>"

strip --strip-unneeded "$root"/usr/bin/*
strip --strip-debug "$root/usr/lib/libptd.a"
install -d "$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: ptd\n\nFiles: *\n'
    printf 'Copyright: 2026 the PTD authors\nLicense: Expat\n'
    sed -n '/^Permission/,$ { s/^$/./; s/^/ /; p }' "$doc/LICENSE"
    printf '\nFiles: NOTICE\nCopyright: as it says\nLicense: Expat\n'
} > "$doc/copyright"
rm "$doc/LICENSE"
printf 'ptd (%s) unstable; urgency=low\n\n  * This version.\n\n -- %s  %s\n' "$version" "$maintainer" "$(date -R -d "$date")" \
    | gzip -9n > "$doc/changelog.gz"
gzip -9n "$doc/README.md"
rmdir "$root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)"

mkdir -p debian "$root/DEBIAN"
printf 'Source: ptd\nMaintainer: %s\n\nPackage: ptd\nArchitecture: %s\n' "$maintainer" "$machine" > debian/control
depends=$(dpkg-shlibdeps -O "$root"/usr/bin/ptd* 2> /dev/null | sed -n 's/^shlibs:Depends=//p')
{
    printf 'Package: ptd\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nSection: science\nPriority: optional\n' "$version" "$machine" "$maintainer"
    printf 'Installed-Size: %s\nDepends: %s, libopenblas0-pthread\nSuggests: gnuplot-nox, jq, pv, openmpi-bin\n' "$(du -sk "$root/usr" | cut -f 1)" "$depends"
    printf 'Description: train vision-language models to reason, a filter at a time\n'
    printf ' Sampling, judging, hinting, scoring and updating as programs that read a\n stream of records and write one; a run is a folder that any of them reads.\n .\n'
    printf ' Built for %s.\n' "$arch"
} > "$root/DEBIAN/control"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
find "$root" -type d -exec chmod 755 {} +
dpkg-deb --root-owner-group --build -Zxz "$root" "../ptd_${version}_$machine.deb"
