#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "queue/layout.hpp"

namespace sluice::queue {

// Sizes of what a region holds; all bytes. Everything is reserved at creation, and a page costs memory only once it is touched.
struct RegionOptions {
  std::string name;                        // letters, digits, '-', '_', '.'
  uint32_t cores = 1;
  uint32_t connections_per_core = 65536;
  uint32_t event_records = 16384;          // powers of two
  uint32_t command_records = 16384;
  uint32_t command_data_bytes = 8u << 20;
  uint32_t receive_block_bytes = 64u << 10;
  uint32_t receive_blocks = 512;
  uint32_t assembly_bytes = 128u << 20;    // a power of two
  uint32_t arena_chunk_bytes = 4u << 20;
  uint32_t arena_chunks = 16;
};

// A mapped region. The creator unlinks it when it is destroyed.
class Region {
 public:
  // Null with a sentence in `error` that says what to do. Mode 0600; a dead process's region is replaced, a live one's is not.
  static std::unique_ptr<Region> create(const RegionOptions& options, std::string& error);
  // Maps an existing region after checking magic, version, hash, size and every section's bounds.
  static std::unique_ptr<Region> attach(const std::string& name, bool writable, std::string& error);

  ~Region();
  // The creator's: nobody can map it any more. What is mapped stays.
  void remove_name() noexcept;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  RegionHeader& header() const noexcept { return *reinterpret_cast<RegionHeader*>(base_); }
  uint8_t* base() const noexcept { return base_; }
  uint64_t size() const noexcept { return size_; }
  const std::string& name() const noexcept { return name_; }

  // Names a new owner in the header, unless the epoch is another than the caller's last: then false, and `epoch` is what it is.
  bool own(uint32_t& epoch, uint32_t pid) noexcept;
  // Nobody has owned it yet.
  void disown() noexcept;

  // The section must exist.
  const Section& section(SectionKind kind, uint32_t core) const noexcept;
  uint8_t* data(SectionKind kind, uint32_t core) const noexcept { return base_ + section(kind, core).offset; }

  uint32_t address_of(const uint8_t* p) const noexcept { return static_cast<uint32_t>(p - base_); }
  // Null when [address, address + length) is not inside the part of the region that holds message bytes. Addresses come from another
  // process: none is believed.
  const uint8_t* payload(uint32_t address, uint32_t length) const noexcept {
    if (address < payload_begin_ || static_cast<uint64_t>(address) + length > size_) return nullptr;
    return base_ + address;
  }

 private:
  Region(std::string name, uint8_t* base, uint64_t size, bool owner);

  std::string name_;
  uint8_t* base_;
  uint64_t size_;
  uint64_t payload_begin_ = 0;
  bool owner_;
};

}  // namespace sluice::queue
