#pragma once

#include <cstdint>
#include <vector>

#include "core/parts.hpp"

namespace sluice::core {

// What a core tells a control plane that attaches, as words of 32 bits followed by the bytes of the notes, each of which
// begins at a whole word (src/engine/snapshot.ts):
//   kSnapshotMagic, core, position of the oldest event that is not done with, position behind the newest,
//   counts of done events, rows, live subscriptions, behind subscriptions, marks, channels, channel notes; bytes of notes
//   done events: position
//   rows: slot, generation, state, offset and length of the note
//   live subscriptions: slot, channel
//   behind subscriptions: slot, channel, next sequence number (low, high)
//   marks: slot, channel, mark (low, high)
//   channels that are listened to: channel, last sequence number (low, high)
//   channel notes: channel, offset and length of the note
inline constexpr uint32_t kSnapshotMagic = 0x32504e53;  // "SNP2"

void write_snapshot(Parts& parts, std::vector<uint8_t>& out);

}  // namespace sluice::core
