#include "core/commands.hpp"

#include <algorithm>

namespace sluice::core {

using queue::Counter;
using queue::Record;

namespace {

queue::RingConsumer consumer(queue::Region& region, uint32_t core) {
  const queue::Section& section = region.section(queue::kSectionCommandRing, core);
  auto* header = reinterpret_cast<queue::RingHeader*>(region.base() + section.offset);
  return {header, reinterpret_cast<const Record*>(header + 1), section.element_count};
}

}  // namespace

CommandReader::CommandReader(Parts& parts, Lifecycle& lifecycle, Endings& endings, hub::DeliverySink& sink)
    : parts_(parts), lifecycle_(lifecycle), endings_(endings), sink_(sink), ring_(consumer(parts.region, parts.core)),
      data_tail_(ring_.header()->data_tail.load(std::memory_order_relaxed)) {}

// A channel's set lies where no other subscription of the turn has been. Nothing relies on what the record says.
[[gnu::always_inline]] inline void CommandReader::prefetch_for(const Record& command) const noexcept {
  if (command.type == queue::kCommandWelcome || command.type == queue::kCommandSubscribe) parts_.hub.prefetch(command.a, command.slot);
}

// What an answer looks at: its connection, and the bytes.
[[gnu::always_inline]] inline void CommandReader::prefetch_near(const Record& command) const noexcept {
  if (command.type != queue::kCommandSend) return;
  const uint32_t slot = command.slot;
  if (slot < parts_.table.capacity()) __builtin_prefetch(&parts_.table[slot], 1);
  parts_.driver->prefetch({&slot, 1}, true);
  const uint8_t* const data = parts_.region.payload(command.address, 1);
  if (data != nullptr) __builtin_prefetch(data);
}

uint32_t CommandReader::run(uint32_t budget) {
  const bool answers = parts_.outbox.answers();
  constexpr uint32_t kAhead = 8;
  constexpr uint32_t kNear = 4;
  const uint32_t count = std::min(ring_.available(), budget);
  for (uint32_t i = 0; i < count;) {
    if (i + kAhead < count) prefetch_for(ring_.peek(i + kAhead));
    if (answers && i + kNear < count) prefetch_near(ring_.peek(i + kNear));
    const uint32_t sent = send_run(i, count);
    i += sent;
    if (sent == 0) carry_out(ring_.peek(i++));
  }
  ring_.advance(count);
  return count;
}

bool CommandReader::done() {
  // Release: our reads of the bytes come before the writer may reuse them.
  ring_.header()->data_tail.store(data_tail_, std::memory_order_release);
  return ring_.confirm();
}

const uint8_t* CommandReader::bytes_of(const Record& command) {
  const uint8_t* data = parts_.region.payload(command.address, command.length);
  if (data == nullptr && command.length != 0) parts_.counters.add(Counter::commands_invalid);
  return data;
}

void CommandReader::carry_out(const Record& shared) {
  // A copy: another process could change the record between a check and its use.
  const Record command = shared;
  if (command.flags & queue::kFlagData) data_tail_ = command.c;
  switch (command.type) {
    case queue::kCommandPublish:
      return publish(command);
    case queue::kCommandHealth:
      parts_.health = command.code == 0 ? ws::HealthState::kServing : ws::HealthState::kDraining;
      parts_.retry_after_s = command.a;
      return;
    case queue::kCommandStopListening:
      parts_.driver->stop_listening();
      return;
    case queue::kCommandConfirm:
      return confirm(command);
    case queue::kCommandChannelNote:
      return note_channel(command);
    default:
      if (!parts_.table.valid(command.slot, command.generation)) {
        parts_.counters.add(Counter::commands_stale);
        return;
      }
      return for_row(command);
  }
}

void CommandReader::for_row(const Record& command) {
  const uint32_t slot = command.slot;
  ConnectionRow& row = parts_.table[slot];
  if (command.type == queue::kCommandRelease) return lifecycle_.release(slot, sink_);
  if (command.type == queue::kCommandUnsubscribe) {
    parts_.handover.forget_behind(slot, command.a);
    parts_.handover.mark(slot, command.a, 0);
    if (parts_.hub.unsubscribe(command.a, slot, sink_)) --row.subscriptions;
    return;
  }
  if (row.state != ConnectionState::kOpen) return;
  switch (command.type) {
    case queue::kCommandSend:
    case queue::kCommandSendFramed:
      return send(command);
    case queue::kCommandWelcome:
      return welcome(command);
    case queue::kCommandClose:
    case queue::kCommandLeave:
      return close(command);
    case queue::kCommandAnswering:
      if (command.code != 0) row.set(kAnswering);
      else row.clear(kAnswering);
      return;
    case queue::kCommandAdmit:
      row.set(kAdmitted);
      return;
    case queue::kCommandNotifyWritable:
      row.set(kNotifyWritable);
      parts_.outbox.touch(slot);
      return;
    case queue::kCommandPause:
      if (!row.paused()) parts_.driver->pause_reading(slot);
      row.set(kPausedByCommand);
      return;
    case queue::kCommandResume:
      if (!row.has(kPausedByCommand)) return;
      row.clear(kPausedByCommand);
      if (!row.paused()) parts_.driver->resume_reading(slot);
      return;
    case queue::kCommandNote: {
      const uint8_t* note = bytes_of(command);
      if (note == nullptr || !parts_.handover.note_row(slot, note, command.length)) parts_.counters.add(Counter::commands_invalid);
      return;
    }
    default:
      if (!for_subscription(command)) parts_.counters.add(Counter::commands_invalid);
  }
}

bool CommandReader::for_subscription(const Record& command) {
  const uint32_t slot = command.slot;
  const uint64_t seq = static_cast<uint64_t>(command.c) << 32 | command.b;
  if (command.type == queue::kCommandSubscribe) {
    subscribe(slot, command.a, seq);
    return true;
  }
  if (command.type == queue::kCommandMark) {
    parts_.handover.mark(slot, command.a, seq);
    return true;
  }
  if (command.type != queue::kCommandBehind) return false;
  parts_.handover.behind(slot, command.a, seq);
  return true;
}

void CommandReader::subscribe(uint32_t slot, uint32_t channel, uint64_t seq) {
  parts_.handover.forget_behind(slot, channel);
  if (parts_.hub.subscribe(channel, slot, sink_, seq)) ++parts_.table[slot].subscriptions;
}

void CommandReader::confirm(const Record& command) {
  if (!parts_.events.confirm(command.a, command.b)) parts_.counters.add(Counter::commands_invalid);
}

void CommandReader::note_channel(const Record& command) {
  const uint8_t* note = command.length == 0 ? nullptr : bytes_of(command);
  if (command.length != 0 && note == nullptr) return;
  if (!parts_.handover.note_channel(command.a, note, command.length)) parts_.counters.add(Counter::commands_invalid);
}

void CommandReader::close(const Record& command) {
  const uint8_t* reason = bytes_of(command);
  const uint32_t length = reason == nullptr ? 0 : command.length;
  // From another process: a code that may not be sent must not reach the writer, which asserts.
  if (command.code != 0 && !ws::close_code_valid(command.code)) {
    parts_.counters.add(Counter::commands_invalid);
    return;
  }
  if (command.type == queue::kCommandLeave) return endings_.leaves(command.slot, command.code, reason, length);
  lifecycle_.close(command.slot, command.code, reinterpret_cast<const char*>(reason), length);
}

// Messages to one connection behind one another, as the answers to a busy client are: what concerns all of them is asked and counted once.
// Only as many as stay within its budget; the general way is for whatever else there is. Returns how many.
uint32_t CommandReader::send_run(uint32_t from, uint32_t count) {
  // One alone has nothing to share.
  if (from + 1 == count || ring_.peek(from + 1).slot != ring_.peek(from).slot) return 0;
  const Record first = ring_.peek(from);
  if (first.type != queue::kCommandSend || !parts_.table.valid(first.slot, first.generation)) return 0;
  if (parts_.table[first.slot].state != ConnectionState::kOpen) return 0;
  const uint64_t queued = parts_.outbox.queued(first.slot);
  const uint64_t budget = parts_.options.send_budget;
  if (queued > budget) return 0;
  Outbox::Run run(parts_.outbox, first.slot);
  uint64_t payload = 0;
  uint32_t taken = 0;
  for (; from + taken < count; ++taken) {
    const Record command = ring_.peek(from + taken);
    if (command.type != queue::kCommandSend || command.slot != first.slot || command.generation != first.generation) break;
    if (queued + run.bytes() + ws::kMaxServerHeader + command.length > budget) break;
    const uint8_t* data = parts_.region.payload(command.address, command.length);
    if (data == nullptr && command.length != 0) break;
    if (!run.append((command.flags & queue::kFlagText) != 0 ? ws::Opcode::kText : ws::Opcode::kBinary, data, command.length)) break;
    if (command.flags & queue::kFlagData) data_tail_ = command.c;
    payload += command.length;
  }
  run.end();
  parts_.messages_out += taken;
  parts_.counters.add(Counter::payload_bytes_out, payload);
  return taken;
}

void CommandReader::send(const Record& command) {
  const uint8_t* data = bytes_of(command);
  if (data == nullptr && command.length != 0) return;
  if (command.type == queue::kCommandSendFramed) {
    parts_.outbox.append_reference(command.slot, data, command.length);
    if (command.a != 0) parts_.handover.advance(command.slot, command.a, command.b);
  } else {
    const ws::Opcode opcode = (command.flags & queue::kFlagText) != 0 ? ws::Opcode::kText : ws::Opcode::kBinary;
    ++parts_.messages_out;
    parts_.counters.add(Counter::payload_bytes_out, command.length);
    if (parts_.outbox.answer(command.slot, opcode, data, command.length)) {
      parts_.table[command.slot].sent_tick = parts_.tick();
      return;
    }
    parts_.outbox.append_frame(command.slot, opcode, data, command.length);
  }
  guard_queue(command.slot);
}

// What a session begins with: there are as many as connections, so it is one record, and one piece of what the connection is offered.
void CommandReader::welcome(const Record& command) {
  const uint8_t* frames = bytes_of(command);
  if (frames == nullptr) return;
  parts_.table[command.slot].set(kAdmitted);
  parts_.outbox.append_reference(command.slot, frames, command.length);
  parts_.messages_out += command.code;
  parts_.counters.add(Counter::payload_bytes_out, command.length);
  if (command.flags & queue::kFlagChannel) subscribe(command.slot, command.a, command.b);
  guard_queue(command.slot);
}

// Whoever does not read what is sent to it may not send either; one for whom this is not enough is given up.
void CommandReader::guard_queue(uint32_t slot) {
  ConnectionRow& row = parts_.table[slot];
  const uint64_t queued = parts_.outbox.queued(slot);
  const uint64_t budget = parts_.options.send_budget;
  if (queued <= budget) return;
  if (queued > budget * 16 + parts_.options.max_message * 2ull && row.queue != 0) {
    parts_.counters.add(Counter::closed_send_overflow);
    lifecycle_.abort(slot, parts_.options.protocol == Protocol::kSluice ? kCloseSlowConsumer : uint16_t{ws::kClosePolicy});
    return;
  }
  if (row.has(kPausedByQueue)) return;
  if (!row.paused()) parts_.driver->pause_reading(slot);
  row.set(kPausedByQueue);
}

void CommandReader::publish(const Record& command) {
  const uint8_t* data = bytes_of(command);
  if (data == nullptr) return;
  const uint64_t seq = static_cast<uint64_t>(command.c) << 32 | command.b;
  parts_.counters.add(Counter::publishes);
  if (!parts_.hub.publish(command.a, data, command.length, seq)) parts_.counters.add(Counter::publishes_replayed);
}

}  // namespace sluice::core
