#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause-Patent
#
# Fetch Debian packages of any suite and architecture without touching the system's own package
# configuration: a private apt root per suite lives under build/apt. The mirror's address is read
# from the system's apt configuration, and Debian's own keyring checks what is downloaded.
#
#   debian.sh mirror                        print the address of the mirror that apt uses
#   debian.sh config SUITE                  make the private root; print its configuration file
#   debian.sh resolve SUITE NAME:ARCH       print the real package that a meta package depends on
#   debian.sh version SUITE NAME:ARCH       print the version that would be fetched
#   debian.sh unpack SUITE DIR NAME:ARCH... download packages and unpack them into DIR
#   debian.sh system SUITE ARCH DIR NAME... download the packages that every system has, NAMEs, and
#                                           all that they depend on, into DIR
#   debian.sh source SUITE DIR NAME         unpack a package's upstream source into DIR
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
roots=$top/build/apt

fail()
{
    echo "debian.sh: $*" >&2
    exit 1
}

# The first main archive (not updates, security or backports) among the configured sources, in
# whichever format they are written.
mirror()
{
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$1 !~ /^cdrom/ && $2 !~ /-(updates|security|backports|proposed)/ && $3 == "main" {
                 print $1; found = 1; exit }
             END { exit !found }' ||
        fail "apt has no Debian mirror configured; add one to /etc/apt and run 'apt-get update'"
}

# config SUITE: create the private root once a day at most, and print its apt.conf.
config()
{
    suite=$1
    root=$roots/$suite
    conf=$root/apt.conf
    mkdir -p "$root/lists/partial" "$root/archives/partial"
    exec 7>"$root/lock"
    flock 7
    if [ ! -e "$root/updated" ] || [ -n "$(find "$root/updated" -mmin +1440)" ]; then
        uri=$(mirror)
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
        {
            echo "deb [signed-by=$keyring] $uri $suite main"
            echo "deb-src [signed-by=$keyring] $uri $suite main"
        } >"$root/sources.list"
        : >"$root/status"
        cat >"$conf" <<END
APT::Architecture "$(dpkg --print-architecture)";
APT::Architectures { "amd64"; "arm64"; "riscv64"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$root";
Dir::State::Lists "$root/lists";
Dir::State::status "$root/status";
Dir::Cache "$root";
Dir::Cache::archives "$root/archives";
Dir::Etc::SourceList "$root/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
END
        APT_CONFIG=$conf apt-get -q update >"$root/update.log" 2>&1 || {
            cat "$root/update.log" >&2
            fail "cannot read the package lists of Debian $suite"
        }
        touch "$root/updated"
    fi
    flock -u 7
    echo "$conf"
}

version()
{
    APT_CONFIG=$(config "$1") apt-cache show --no-all-versions "$2" | sed -n 's/^Version: //p' |
        head -n 1
}

resolve()
{
    APT_CONFIG=$(config "$1") apt-cache depends --no-recommends --no-suggests "$2" |
        sed -n 's/^ *Depends: \([^:<]*\).*/\1/p' | head -n 1
}

unpack()
{
    suite=$1 dir=$2
    shift 2
    conf=$(config "$suite")
    mkdir -p "$dir"
    work=$(mktemp -d "$roots/fetch.XXXXXX")
    (cd "$work" && APT_CONFIG=$conf apt-get -q download "$@" >log 2>&1) || {
        cat "$work/log" >&2
        rm -rf "$work"
        fail "cannot download $* from Debian $suite"
    }
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$dir"
    done
    rm -rf "$work"
}

system()
{
    suite=$1 arch=$2 dir=$3
    shift 3
    conf=$(config "$suite")
    mkdir -p "$dir/partial"
    # The caches of apt are for the build machine's architecture.
    APT_CONFIG=$conf apt-get -q -y -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 \
        -o "Dir::Cache::archives=$dir" --download-only install '?essential' "$@" >"$dir/log" 2>&1 || {
        cat "$dir/log" >&2
        fail "cannot download $* from Debian $suite"
    }
    rm -rf "$dir/partial" "$dir/log"
}

# Only the upstream tarball is fetched: nothing here needs Debian's patches.
source_of()
{
    suite=$1 dir=$2 name=$3
    conf=$(config "$suite")
    line=$(APT_CONFIG=$conf apt-get -q --print-uris --download-only source "$name" |
        grep -E "^'.*\.orig\.tar\.[a-z0-9]+' " | head -n 1)
    [ -n "$line" ] || fail "no upstream source of $name in Debian $suite"
    # A line is: 'address' file size hash
    uri=$(echo "$line" | sed "s/^'\([^']*\)'.*/\1/")
    file=$(echo "$line" | cut -d' ' -f2)
    hash=$(echo "$line" | cut -d' ' -f4)
    work=$(mktemp -d "$roots/fetch.XXXXXX")
    APT_CONFIG=$conf /usr/lib/apt/apt-helper download-file "$uri" "$work/$file" "$hash" \
        >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        rm -rf "$work"
        fail "cannot download the source of $name"
    }
    rm -rf "$dir"
    mkdir -p "$dir"
    tar -xf "$work/$file" -C "$dir" --strip-components=1 --no-same-owner
    rm -rf "$work"
}

[ $# -ge 1 ] || fail "no command given"
command=$1
shift
case $command in
mirror) mirror ;;
config) config "$@" ;;
resolve) resolve "$@" ;;
version) version "$@" ;;
unpack) unpack "$@" ;;
system) system "$@" ;;
source) source_of "$@" ;;
*) fail "unknown command $command" ;;
esac
