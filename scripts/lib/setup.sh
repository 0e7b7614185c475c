# Installs what is missing, and nothing else. Sourced by scripts/up and scripts/test.
# Every check is a look at what is there, so that a run with nothing missing costs well under a second.

build_packages=(g++ make python3 util-linux)
test_packages=(clang libclang-rt-14-dev llvm cmake ninja-build ccache catch2 libbenchmark-dev chromium chromium-driver git haproxy
  libdpdk-dev dpdk-dev pkg-config iproute2 iputils-ping ethtool nftables curl python3-websockets redis-server postgresql)
vm_packages=(debootstrap e2fsprogs iproute2 qemu-system-x86 vagrant vagrant-libvirt)
node_least="20.18"

say() { echo "$(basename "$0"): $*" >&2; }

node_is_new_enough() {
  command -v node >/dev/null && command -v npm >/dev/null &&
    node -e 'const [a, b] = process.versions.node.split("."), [c, d] = process.argv[1].split(".");
             process.exit(+a > +c || (+a === +c && +b >= +d) ? 0 : 1)' "$node_least"
}

# As root, or by a sudo that asks nothing.
as_root() {
  if [[ "$(id -u)" == 0 ]]; then env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  else return 77; fi
}

missing_packages() {
  command -v dpkg-query >/dev/null || return 0
  local package
  for package in "$@"; do
    [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" == installed ]] || echo "$package"
  done
}

apt_updated=""
install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "installing Debian packages: ${missing[*]}"
  mkdir -p .cache
  log=.cache/apt.log
  if [[ -z "$apt_updated" ]]; then
    as_root timeout 300 apt-get -q -o DPkg::Lock::Timeout=120 update >"$log" 2>&1 || true
    apt_updated=1
  fi
  if as_root timeout 1200 apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "${missing[@]}" \
    >>"$log" 2>&1 </dev/null; then
    return 0
  fi
  say "could not install them (see $log). As root: apt-get install ${missing[*]}"
  return 1
}

# Debian 12's own Node is too old. npm's registry carries Node itself as a package; it goes into .cache, not into the system.
ensure_node() {
  local tools="$PWD/.cache/tools" arch
  [[ -x "$tools/node_modules/.bin/node" ]] && export PATH="$tools/node_modules/.bin:$PATH"
  node_is_new_enough && return 0
  case "$(uname -m)" in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) arch="$(uname -m)" ;; esac
  command -v npm >/dev/null || install_packages npm || return 1
  say "Node $node_least or newer is needed: putting one into .cache/tools"
  mkdir -p "$tools/node_modules/.bin"
  (cd "$tools" && echo '{"private":true}' >package.json &&
    timeout 600 npm install --no-audit --no-fund --no-package-lock "node-linux-$arch@22" >npm.log 2>&1) ||
    { say "that failed: see .cache/tools/npm.log"; return 1; }
  ln -sfn "../node-linux-$arch/bin/node" "$tools/node_modules/.bin/node"
  export PATH="$tools/node_modules/.bin:$PATH"
  hash -r
  node_is_new_enough || { say "Node $node_least or newer is needed and could not be installed"; return 1; }
}

ensure_modules() {
  node scripts/lib/modules.mjs && return 0
  say "installing npm packages"
  mkdir -p .cache
  # npm ci empties node_modules first, so two at once would break each other.
  (flock -w 600 9 && { node scripts/lib/modules.mjs || timeout 900 npm ci --no-audit --no-fund >.cache/npm.log 2>&1 </dev/null; }) \
    9>.cache/npm.lock && return 0
  tail -n 20 .cache/npm.log >&2
  say "npm ci failed: see .cache/npm.log"
  return 1
}
