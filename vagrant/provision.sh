#!/usr/bin/env bash
# Prepares a Debian 12 machine for `--driver dpdk`: packages, hugepages, the kernel modules that hand a NIC to a program.
#   provision.sh develop   all that building and testing need as well (Vagrant runs this in its machine)
#   provision.sh runtime   what running needs (vagrant/qemu runs this in the folder that its disk is made from)
# SLUICE_HUGEPAGES sets the number of 2 MiB pages, 512 where it is not given.
set -euo pipefail
kind="${1:-runtime}"
hugepages="${SLUICE_HUGEPAGES:-512}"

packages=(dpdk libdpdk-dev iproute2 kmod pciutils procps python3 util-linux)
case "$kind" in
  runtime) ;;
  develop) packages+=(ca-certificates curl ethtool g++ git libcap2-bin liburing-dev make npm pkg-config rsync tcpdump) ;;
  *) echo "provision: '$kind' is neither develop nor runtime" >&2; exit 2 ;;
esac
[[ "$(id -u)" == 0 ]] || { echo "provision: run this as root" >&2; exit 1; }

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends "${packages[@]}"

mkdir -p /etc/sysctl.d /etc/modules-load.d /etc/modprobe.d
# At boot, where memory is not in pieces yet.
echo "vm.nr_hugepages = $hugepages" >/etc/sysctl.d/80-sluice-hugepages.conf
printf '%s\n' vfio-pci uio_pci_generic >/etc/modules-load.d/sluice.conf
# Machines without an IOMMU, most VMs among them: vfio-pci only says yes to them when it is told that this is meant.
echo 'options vfio enable_unsafe_noiommu_mode=1' >/etc/modprobe.d/sluice-vfio.conf

# A folder that becomes a disk, or a container, has no kernel of its own to set up.
if [[ -d /run/systemd/system ]]; then
  sysctl -q -w vm.nr_hugepages="$hugepages"
  modprobe -a vfio-pci uio_pci_generic
fi
echo "provision: $kind: $hugepages hugepages of 2 MiB; NICs: dpdk-devbind.py --status-dev net"
