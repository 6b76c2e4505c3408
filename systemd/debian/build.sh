#!/usr/bin/env bash
# Makes syncd_VERSION_all.deb from the built program: npm run deb [-- DIRECTORY]. Takes the production dependencies as they stand in
# node_modules, so it asks nobody. The same tree makes the same package, byte for byte.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-.}
version=${SYNCD_DEB_VERSION:-$(node -p 'require("./package.json").version')}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"
lib=$stage/usr/lib/syncd
doc=$stage/usr/share/doc/syncd
install -d "$lib" "$stage"/usr/bin "$stage"/usr/lib/{systemd/system,sysusers.d,tmpfiles.d} "$stage"/etc/{default,syncd} "$doc" "$stage/DEBIAN"

cp -r bin dist sql package.json README.md "$lib/"
# The development dependencies stay away, and with them what only they need.
npm ls --omit=dev --all --parseable | tail -n +2 | while read -r path; do
  inside=$lib/${path#"$PWD/"}
  install -d "$(dirname "$inside")"
  # A package inside of another one comes with it, and is then there already.
  [ -e "$inside" ] || cp -r "$path" "$inside"
done
find "$lib/node_modules" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.md' ! -iname 'license*' \) -delete
find "$lib/node_modules" -type d -empty -delete
ln -s ../lib/syncd/bin/syncd.js "$stage/usr/bin/syncd"

cp systemd/syncd.service systemd/syncd-verify.{service,timer} "$stage/usr/lib/systemd/system/"
cp systemd/syncd.sysusers.conf "$stage/usr/lib/sysusers.d/syncd.conf"
cp systemd/syncd.tmpfiles.conf "$stage/usr/lib/tmpfiles.d/syncd.conf"
cp systemd/syncd.environment "$stage/etc/default/syncd"
cp systemd/syncd.example.yaml "$stage/etc/syncd/"
cp README.md systemd/debian/copyright "$doc/"
# Alert rules and the board for Grafana: for another machine than this one.
cp -r systemd/grafana systemd/prometheus "$doc/"

cp systemd/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"
printf '/etc/default/syncd\n/etc/syncd/syncd.example.yaml\n' >"$stage/DEBIAN/conffiles"
sed -e "s/@VERSION@/$version/" -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$stage" | cut -f1)/" systemd/debian/control >"$stage/DEBIAN/control"

find "$stage" -type d -exec chmod 0755 {} +
find "$stage" -type f -exec chmod 0644 {} +
chmod 0755 "$lib/bin/syncd.js" "$stage"/DEBIAN/{postinst,prerm,postrm}
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -Zxz --build "$stage" "$out/syncd_${version}_all.deb"
