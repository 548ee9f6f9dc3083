#!/usr/bin/env bash
# Puts Apptainer into PREFIX (PREFIX/bin/apptainer), for Debian 12, which has no package of it. Needs root and apt.
#   apptainer_up.sh PREFIX
# Debian unstable's package is unpacked beside the C library it was built for, and its two programs are pointed at that
# one. Apptainer finds its own files relative to itself, so nothing of the machine's is touched but that a few tools of
# its own release are installed and root gets subordinate ids, if it has none; removing PREFIX removes the rest. Exit status 3: the packages cannot be had here.
set -euo pipefail
prefix=$1
cannot() { echo "$1" >&2; exit 3; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
tools=(patchelf squashfs-tools squashfuse fuse2fs fuse-overlayfs uidmap mmdebstrap debian-archive-keyring ca-certificates)

[[ $(id -u) == 0 ]] && command -v apt-get > /dev/null || cannot "needs root and apt-get"
[[ ! -x $prefix/bin/apptainer ]] || exit 0

missing=()
for tool in "${tools[@]}"; do
  dpkg-query --show --showformat '${Status}' "$tool" 2> /dev/null | grep -q 'ok installed' || missing+=("$tool")
done
if ((${#missing[@]})); then
  apt-get -qq update || true # one broken source of the machine's is no reason to stop
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends \
    "${missing[@]}" > /dev/null || cannot "apt-get could not install ${missing[*]}"
fi

# `apptainer build --fakeroot` maps the users of the image to these.
for file in /etc/subuid /etc/subgid; do
  grep -q '^root:' "$file" 2> /dev/null || echo root:2000000:65536 >> "$file"
done

# An apt of its own, on the mirror the machine is set to use.
apt=$prefix/apt
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
mirror=$(apt-get indextargets --format '$(REPO_URI)' | awk '/\/debian\/?$/ { found = $0 } END { print found }')
echo "deb [signed-by=$keyring] $mirror sid main" > "$apt/sources.list"
cat > "$apt/apt.conf" << CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$apt/apt.conf
(cd "$apt" && apt-get -qq update && apt-get -qq download apptainer libc6 libseccomp2 libsqlite3-0) ||
  cannot "apt-get could not download apptainer"

for package in "$apt"/*.deb; do dpkg --extract "$package" "$apt/unpacked"; done
libraries=$prefix/lib/x86_64-linux-gnu
mkdir -p "$prefix/bin" "$libraries"
cp -a "$apt"/unpacked/usr/lib/x86_64-linux-gnu/. "$libraries/"
cp -a "$apt"/unpacked/{etc,var} "$prefix/"
cp -a "$apt/unpacked/usr/bin/apptainer" "$prefix/bin/apptainer.new"
for program in "$libraries/apptainer/bin/starter" "$prefix/bin/apptainer.new"; do
  patchelf --set-interpreter "$libraries/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libraries" "$program"
done
# The starter looks for them from where it lies itself, one folder deeper than on other systems.
ln -s ../etc ../var ../bin "$prefix/lib/" && ln -s . "$prefix/lib/lib"
# Containers need no rights; a virtual machine that withholds one of them from root would refuse the whole set.
sed -i 's/^root default capabilities = .*/root default capabilities = no/' "$prefix/etc/apptainer/apptainer.conf"
rm -rf "$apt"
mv "$prefix/bin/apptainer.new" "$prefix/bin/apptainer" # last: its presence says that all is there
