# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# Debian packages of suites that are not among this machine's package sources,
# from the mirror that it uses. To be sourced, after lib.sh.
#
# Programs that are not to be installed are unpacked, with all that they depend on,
# into a directory of their own, cache/roots/NAME, which can be the root of a container,
# and are used from then on without a network.

# The sites of the distribution's own suite, without those of other vendors
mirrors() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# The dollar belongs to apt.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(CODENAME) $(SITE)' 2>/dev/null |
		awk -v suite="$codename" '$1 == suite && !seen[$2]++ { print $2 }'
}

# suite_apt SUITE ARGUMENT...: an apt for which there is that suite and nothing
# else: it knows of no installed package, so it downloads every dependency.
suite_apt() {
	local state=$cache/apt/$1
	shift
	apt-get -o Dir::Etc::SourceList="$state/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null \
		-o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$state" \
		-o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" \
		-o APT::Sandbox::User="$(id -un)" \
		-o APT::Install-Recommends=false \
		-o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Acquire::Retries=3 "$@"
}

# update_suite SUITE: from the first site that has it
update_suite() {
	local site state=$cache/apt/$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	for site in $(mirrors); do
		echo "deb [signed-by=$keyring] $site $1 main" >"$state/sources.list"
		if suite_apt "$1" update -o APT::Update::Error-Mode=any; then
			return
		fi
	done
	return 1
}

# unpack_debs SUITE DIRECTORY
#
# Older packages have files in /bin and /lib, newer ones in /usr: as on any Debian
# system, the former are links to the latter.
unpack_debs() {
	local name deb
	for name in bin lib lib64 sbin; do
		mkdir -p "$2/usr/$name"
		ln -s "usr/$name" "$2/$name"
	done
	mkdir -p "$2"/{dev,etc,proc,run,sys,tmp}
	for deb in "$cache/apt/$1/cache/archives"/*.deb; do
		echo "${deb##*/}"
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$2"
	done
}

download_packages() {
	local suite=$1
	shift
	rm -f "$cache/apt/$suite/cache/archives"/*.deb
	suite_apt "$suite" install --download-only -y "$@"
}

# has_suite SUITE: whether there is a network, and a site that has it
declare -A suites=()
has_suite() {
	if [[ -z ${suites[$1]:-} ]]; then
		suites[$1]=no
		take_lock "apt-$1"
		if run_step "reading the list of $1" "$cache/log/apt-$1.log" update_suite "$1"; then
			suites[$1]=yes
		fi
		drop_lock "apt-$1"
	fi
	[[ ${suites[$1]} == yes ]]
}

# is_unpacked NAME SUITE PACKAGE...
is_unpacked() {
	local list=$cache/roots/$1.packages
	[[ -e $list && $(<"$list") == "${*:2}" ]]
}

# unpack_packages NAME SUITE PACKAGE...: into cache/roots/NAME
unpack_packages() {
	local name=$1 suite=$2 root=$cache/roots/$1
	take_lock "root-$name"
	if is_unpacked "$@"; then
		drop_lock "root-$name"
		return
	fi
	shift 2
	has_suite "$suite" || die "no suite $suite on this machine's Debian mirrors: $(mirrors | xargs)"
	take_lock "apt-$suite"
	run_step "downloading $1 of $suite" "$cache/log/root-$name.log" \
		download_packages "$suite" "$@" || die "cannot download $*"
	rm -rf "$root" "$root.packages" "$root.new"
	run_step "unpacking $1" "$cache/log/root-$name.log" unpack_debs "$suite" "$root.new"
	rm -f "$cache/apt/$suite/cache/archives"/*.deb
	drop_lock "apt-$suite"
	mv "$root.new" "$root"
	# The log of that is the list of packages, with versions.
	cp "$cache/log/root-$name.log" "$root.debs"
	echo "$suite $*" >"$root.packages"
	drop_lock "root-$name"
}

# package_version NAME PACKAGE: of what is in cache/roots/NAME
package_version() {
	sed -nE "s/^$2_([^_]*)_.*/\1/p" "$cache/roots/$1.debs" | sed 's/%3a/:/'
}
