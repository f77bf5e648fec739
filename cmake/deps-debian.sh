#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpacks Debian packages under PREFIX/<suite>/<package>/ without root: nothing is installed and
# no apt source is added. The archive's address is the one this machine's apt uses for its own
# release. A package's folder appears by one rename, so two runs may share a PREFIX. Packages that
# look for each other's files share a folder: suite:package_package (no name has a _, and what reads
# paths, the linker too, takes it), or suite:folder=package_package. @package stands for the first
# library that a package depends on, whose name has a version in it.
# usage: deps-debian.sh PREFIX suite:[folder=]package[_package...]...
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 PREFIX suite:[folder=]package[_package...]..." >&2; exit 2; }
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
shift

missing=()
for wanted in "$@"; do
  folder=${wanted%%=*}
  [ -d "$prefix/${folder/://}" ] || missing+=("$wanted")
done
[ ${#missing[@]} -gt 0 ] || exit 0

release=$(. /etc/os-release && echo "$VERSION_CODENAME")
archive=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' \
  'Created-By: Packages' 'Component: main' "Release: $release" | sed -n 1p)
[ -n "$archive" ] || { echo "apt knows no source for $release main" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] && trust="[signed-by=$keyring] " || trust=

work=$(mktemp -d "$prefix/.unpack.XXXXXX") # beside the target, so that a rename will do
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/deb"
printf '%s\n' "${missing[@]%%:*}" | sort -u |
  sed "s|.*|deb $trust$archive & main|" >"$work/sources.list"
apt=(apt-get -qq
  -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Dir::State::Lists="$work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o Acquire::Retries=3 -o Acquire::Languages=none
  -o Acquire::Check-Valid-Until=false) # a mirror may stand still; what it has is signed
[ "$(id -u)" != 0 ] || apt+=(-o APT::Sandbox::User=root) # apt's own user can't write here

"${apt[@]}" -o APT::Update::Error-Mode=any update
for wanted in "${missing[@]}"; do
  suite=${wanted%%:*} packages=${wanted#*:}
  folder=${packages%%=*} packages=${packages#*=}
  for package in ${packages//_/ }; do
    if [ "${package#@}" != "$package" ]; then
      package=$(apt-cache "${apt[@]:1}" depends "${package#@}/$suite" |
        sed -n 's/^ *Depends: \(lib.*\)/\1/p' | sed -n 1p)
    fi
    (cd "$work/deb" && "${apt[@]}" download "$package/$suite")
    dpkg-deb -x "$work/deb/$package"_*.deb "$work/$folder"
  done
  mkdir -p "$prefix/$suite"
  mv -T "$work/$folder" "$prefix/$suite/$folder" 2>/dev/null ||
    [ -d "$prefix/$suite/$folder" ] # another run was first
done
