#include "nic/dpdk_handoff.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <rte_errno.h>
#include <rte_ring.h>

namespace sluice::nic {

DpdkHandoff::~DpdkHandoff() { rte_ring_free(ring_); }

bool DpdkHandoff::create(const std::string& name, int socket, std::string& error) {
  ring_ = rte_ring_create(name.c_str(), kFrames, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring_ != nullptr) return true;
  error = "no ring between the cores of a port: " + std::string(rte_strerror(rte_errno)) + ". Give EAL more memory (-m MIB)";
  return false;
}

uint32_t DpdkHandoff::push(void* const* frames, uint32_t count) noexcept {
  return rte_ring_sp_enqueue_burst(ring_, frames, count, nullptr);
}

uint32_t DpdkHandoff::pop(void** frames, uint32_t max) noexcept {
  return ring_ == nullptr ? 0 : rte_ring_sc_dequeue_burst(ring_, frames, max, nullptr);
}

bool DpdkHandoff::empty() const noexcept { return rte_ring_empty(ring_) != 0; }

DpdkDoorbell::~DpdkDoorbell() {
  if (fd_ >= 0) ::close(fd_);
}

bool DpdkDoorbell::open(std::string& error) {
  fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd_ < 0) error = "cannot create a doorbell: " + std::string(std::strerror(errno)) + ". Raise the limit on open files (ulimit -n)";
  return fd_ >= 0;
}

void DpdkDoorbell::arm() noexcept {
  armed_ = true;
  rte_atomic32_set(&asleep_, 1);
  // Of "asleep, then look" here and "hand over, then ask whether it sleeps" there one sees the other (Dekker).
  rte_smp_mb();
}

void DpdkDoorbell::disarm() noexcept {
  armed_ = false;
  rte_atomic32_set(&asleep_, 0);
  uint64_t count;
  static_cast<void>(!::read(fd_, &count, sizeof count));
}

void DpdkDoorbell::ring() noexcept {
  rte_smp_mb();
  if (rte_atomic32_read(&asleep_) == 0 || rte_atomic32_cmpset(reinterpret_cast<volatile uint32_t*>(&asleep_.cnt), 1, 0) == 0) return;
  const uint64_t one = 1;
  static_cast<void>(!::write(fd_, &one, sizeof one));
}

}  // namespace sluice::nic
